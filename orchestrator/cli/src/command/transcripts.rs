//! `autores transcripts`

use anyhow::{Context, anyhow};
use autores_domain::{CallKey, RunId, Transcripts};
use autores_results::TranscriptFolder;
use serde_json::Value;

use crate::arguments::TranscriptsOptions;
use crate::command::load;
use crate::exit::{Exit, Failure, OrExit, Outcome};
use crate::home::Home;
use crate::out::outln;
use crate::table;

pub(crate) async fn run(home: &Home, options: TranscriptsOptions) -> Outcome {
    let id: RunId = options.run.parse().or_usage()?;
    load(home, &id).await?;
    let folder = TranscriptFolder::of(home.path(), &id);
    if let Some(call) = &options.call {
        let key: CallKey = call.parse().or_usage()?;
        return one(&folder, &id, &key, options.json);
    }
    let keys = folder.keys()?;
    if keys.is_empty() && !options.json {
        outln!("{id} has no transcripts: it asked no model, or they were left out");
        return Ok(Exit::Done);
    }
    let mut rows =
        table::table(&["call", "role", "model", "read", "cached", "written", "USD", "seconds", ""]);
    for key in keys {
        let transcript = read(&folder, &id, &key)?;
        if options.json {
            outln!("{transcript}");
            continue;
        }
        // A note of what was decided over answers is kept beside them, and is no call.
        if transcript["request"].is_null() {
            continue;
        }
        let call: autores_domain::Call =
            serde_json::from_value(transcript["call"].clone()).with_context(|| format!("{key}"))?;
        rows.add_row([
            key.to_string(),
            call.role.to_string(),
            call.model.to_string(),
            call.tokens.input.to_string(),
            call.tokens.cached.to_string(),
            call.tokens.output.to_string(),
            call.usd.map_or("?".into(), |usd| format!("{usd:.4}")),
            format!("{:.1}", call.latency_ms as f64 / 1000.0),
            call.error.map_or(String::new(), |error| table::shorten(&error, 40)),
        ]);
    }
    if !options.json {
        table::print(&rows);
        outln!("\none call in full: autores transcripts {id} CALL");
    }
    Ok(Exit::Done)
}

fn read(folder: &TranscriptFolder, run: &RunId, key: &CallKey) -> Result<Value, Failure> {
    let bytes = folder
        .find(key)?
        .ok_or_else(|| {
            anyhow!("{run} has no call {key}; `autores transcripts {run}` lists its calls")
        })
        .or_usage()?;
    Ok(serde_json::from_slice(&bytes)
        .with_context(|| format!("the transcript of {key} is damaged"))?)
}

fn one(folder: &TranscriptFolder, run: &RunId, key: &CallKey, json: bool) -> Outcome {
    let transcript = read(folder, run, key)?;
    if json {
        outln!("{}", serde_json::to_string_pretty(&transcript)?);
        return Ok(Exit::Done);
    }
    let show = |title: &str, text: &Value| {
        if let Some(text) = text.as_str().filter(|text| !text.is_empty()) {
            outln!("── {title}\n{}\n", text.trim_end());
        }
    };
    let request = &transcript["request"];
    show("system", &request["system"]);
    for turn in request["turns"].as_array().into_iter().flatten() {
        show(turn["who"].as_str().unwrap_or("turn"), &turn["text"]);
    }
    show("thinking", &transcript["reply"]["thinking"]);
    show("reply", &transcript["reply"]["text"]);
    show("error", &transcript["call"]["error"]);
    Ok(Exit::Done)
}
