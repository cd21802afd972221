//! OpenAI's embeddings, which many servers speak. A question's turns are the texts.

use autores_domain::Tokens;
use serde_json::{Value, json};

use super::{Gathered, Limits, Post, Protocol, Question, count, text};
use crate::llm::trouble::{self, Trouble};

#[derive(Debug)]
pub(crate) struct Embeddings;

impl Protocol for Embeddings {
    fn optional(&self) -> &'static [&'static str] {
        &[]
    }

    fn post(&self, question: &Question<'_>) -> Post {
        let texts: Vec<&str> =
            question.request.turns.iter().map(|turn| turn.text.as_str()).collect();
        let body = json!({"model": question.model, "input": texts, "encoding_format": "float"});
        Post { path: "embeddings".to_owned(), body }
    }

    fn whole(&self, body: &Value, into: &mut Gathered) -> Result<(), Trouble> {
        if body.get("error").is_some_and(|error| !error.is_null()) {
            return Err(trouble::of_error(body));
        }
        into.identify(text(body, "/id"), text(body, "/model"));
        into.usage = count(body, "/usage/prompt_tokens")
            .or_else(|| count(body, "/usage/total_tokens"))
            .map(|input| Tokens { input, cached: 0, output: 0 });
        let mut rows: Vec<(u64, Vec<f32>)> = Vec::new();
        for (place, row) in
            body.get("data").and_then(Value::as_array).into_iter().flatten().enumerate()
        {
            let numbers = row.get("embedding").and_then(Value::as_array).into_iter().flatten();
            let vector: Vec<f32> = numbers.filter_map(|n| n.as_f64().map(|n| n as f32)).collect();
            rows.push((count(row, "/index").unwrap_or(place as u64), vector));
        }
        rows.sort_by_key(|(index, _)| *index);
        into.vectors = rows.into_iter().map(|(_, vector)| vector).collect();
        into.complete = true;
        Ok(())
    }

    fn event(&self, _event: &Value, _into: &mut Gathered) -> Result<(), Trouble> {
        Err(Trouble::garbled("embeddings came as a stream"))
    }

    fn limits_path(&self, _model: &str) -> Option<String> {
        None
    }

    fn limits(&self, _model: &str, _body: &Value) -> Limits {
        Limits::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_come_in_the_order_of_their_texts() {
        let body = json!({
            "object": "list", "model": "embed-small",
            "data": [
                {"object": "embedding", "index": 1, "embedding": [0.5, -0.25]},
                {"object": "embedding", "index": 0, "embedding": [1.0, 0.0]}
            ],
            "usage": {"prompt_tokens": 9, "total_tokens": 9}
        });
        let mut gathered = Gathered::default();
        Embeddings.whole(&body, &mut gathered).unwrap();
        assert_eq!(gathered.usage, Some(Tokens { input: 9, cached: 0, output: 0 }));
        assert_eq!(gathered.clone().vectors(2).unwrap(), [[1.0, 0.0], [0.5, -0.25]]);
        assert!(gathered.vectors(3).is_err());
    }
}
