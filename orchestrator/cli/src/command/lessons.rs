//! `autores lessons`

use std::path::Path;

use anyhow::{Context, anyhow};
use autores_domain::{Lesson, RunId};
use serde::{Deserialize, Serialize};

use crate::arguments::LessonsOptions;
use crate::command::load;
use crate::exit::{Exit, Failure, OrExit, Outcome};
use crate::home::Home;
use crate::out::outln;

/// The file that carries lessons from one store to another.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LessonFile {
    lessons: Vec<Lesson>,
}

pub(crate) async fn run(home: &Home, options: LessonsOptions) -> Outcome {
    let id: RunId = options.run.parse().or_usage()?;
    let run = load(home, &id).await?;
    if options.json {
        let file = LessonFile { lessons: run.lessons };
        outln!("{}", serde_json::to_string_pretty(&file)?);
        return Ok(Exit::Done);
    }
    if run.lessons.is_empty() {
        let why = match run.config.llm {
            Some(_) => "they are drawn when an epoch of ideas has been measured",
            None => "they are drawn by a language model, and this run asks none",
        };
        outln!("{id} has no lessons: {why}");
        return Ok(Exit::Done);
    }
    for lesson in &run.lessons {
        let evidence: Vec<String> = lesson.evidence.iter().map(ToString::to_string).collect();
        let advice = match lesson.advice {
            autores_domain::Advice::Do => "do   ",
            autores_domain::Advice::Avoid => "avoid",
        };
        outln!("{advice}  {}: {}", lesson.topic, lesson.text);
        outln!("       seen in {}", evidence.join(", "));
    }
    Ok(Exit::Done)
}

/// Lessons of a run in the store, or of a file.
pub(crate) async fn import(home: &Home, from: &str) -> Result<Vec<Lesson>, Failure> {
    let path = Path::new(from);
    if path.is_file() {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read {}", path.display()))
            .or_usage()?;
        let file: LessonFile = serde_json::from_str(&text)
            .with_context(|| {
                format!(
                    "{} is no file of lessons, as `autores lessons RUN --json` writes it",
                    path.display()
                )
            })
            .or_usage()?;
        return Ok(file.lessons);
    }
    let id: RunId = from
        .parse()
        .map_err(|_| anyhow!("{from:?} is neither a run nor a file with lessons"))
        .or_usage()?;
    let run = load(home, &id).await?;
    if run.lessons.is_empty() {
        return Err(anyhow!("{id} has no lessons to begin with")).or_usage();
    }
    Ok(run.lessons)
}
