//! `autores doctor`: what was found, what would be used, and why.

use std::path::Path;

use autores_domain::ModelName;
use autores_executor::{disk, environment, gpu, sandbox};
use autores_ideators::llm::Client;
use serde::Serialize;

use crate::arguments::DoctorOptions;
use crate::exit::{Exit, Failure, OrExit, Outcome};
use crate::home::Home;
use crate::out::outln;
use crate::{models, wiring};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Grade {
    /// There, or not needed.
    Ok,
    /// A run works, but with less than it could have.
    Warning,
    /// A run does not work.
    Missing,
}

#[derive(Debug, Serialize)]
struct Finding {
    what: &'static str,
    grade: Grade,
    found: String,
}

pub(crate) async fn run(home: &Home, options: DoctorOptions) -> Outcome {
    let tools = environment::look(home.path());
    let mut findings = vec![
        data_directory(home),
        free_space(home),
        python(&tools),
        uv(&tools),
        cores(),
        gpus(),
        sandboxing(),
    ];
    findings.extend(language_models(home, &options).await?);
    let usable = findings.iter().all(|finding| finding.grade != Grade::Missing);
    if options.json {
        outln!(
            "{}",
            serde_json::to_string_pretty(
                &serde_json::json!({ "usable": usable, "findings": findings })
            )?
        );
    } else {
        for finding in &findings {
            let mark = match finding.grade {
                Grade::Ok => "ok     ",
                Grade::Warning => "warning",
                Grade::Missing => "MISSING",
            };
            outln!("{mark}  {:<15} {}", finding.what, finding.found);
        }
        outln!();
        if usable {
            outln!("ready: autores run --problem pretrain{}", scale());
        } else {
            outln!("not ready: see what is missing above");
        }
    }
    Ok(if usable { Exit::Done } else { Exit::Environment })
}

fn data_directory(home: &Home) -> Finding {
    let what = "data directory";
    let probe = home.path().join(".writable");
    match std::fs::create_dir_all(home.path()).and_then(|()| std::fs::write(&probe, "")) {
        Ok(()) => {
            // A leftover probe is an empty file and does no harm.
            let _ = std::fs::remove_file(&probe);
            Finding { what, grade: Grade::Ok, found: home.path().display().to_string() }
        }
        Err(error) => Finding {
            what,
            grade: Grade::Missing,
            found: format!(
                "cannot write to {}: {error}; give another folder with --dir",
                home.path().display()
            ),
        },
    }
}

/// A PyTorch environment with its package cache takes about this much.
const NEEDED_GIB: f64 = 8.0;

fn free_space(home: &Home) -> Finding {
    let what = "disk";
    let existing = home.path().ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("/"));
    let free = disk::free_bytes(existing).map(|bytes| bytes as f64 / f64::from(1u32 << 30));
    match free {
        Some(free) if free < NEEDED_GIB => Finding {
            what,
            grade: Grade::Warning,
            found: format!(
                "{free:.1} GiB free; a first run of a PyTorch problem needs about {NEEDED_GIB} GiB"
            ),
        },
        Some(free) => Finding { what, grade: Grade::Ok, found: format!("{free:.1} GiB free") },
        None => Finding { what, grade: Grade::Warning, found: "free space is not known".into() },
    }
}

fn python(found: &environment::Found) -> Finding {
    let what = "python";
    match &found.python {
        Ok((path, version)) => {
            Finding { what, grade: Grade::Ok, found: format!("{version} at {}", path.display()) }
        }
        Err(error) => Finding { what, grade: Grade::Missing, found: error.to_string() },
    }
}

fn uv(found: &environment::Found) -> Finding {
    let found = match &found.uv {
        Some(path) => path.display().to_string(),
        None => "none; the first run installs it from PyPI into the data directory".into(),
    };
    Finding { what: "uv", grade: Grade::Ok, found }
}

fn cores() -> Finding {
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    Finding {
        what: "cores",
        grade: Grade::Ok,
        found: format!("{cores}; experiments of one thread run {cores} at a time"),
    }
}

fn gpus() -> Finding {
    let what = "gpus";
    match gpu::list() {
        Ok(gpus) if gpus.is_empty() => {
            Finding { what, grade: Grade::Ok, found: "none; experiments run on the CPU".into() }
        }
        Ok(gpus) => {
            let names: Vec<String> = gpus
                .iter()
                .map(|gpu| format!("{} {} ({} MiB)", gpu.index, gpu.name, gpu.memory_mb))
                .collect();
            Finding { what, grade: Grade::Ok, found: names.join(", ") }
        }
        Err(error) => Finding {
            what,
            grade: Grade::Ok,
            found: format!("none usable ({error}); experiments run on the CPU"),
        },
    }
}

/// One finding for each model that a run would ask, after asking it for one token.
async fn language_models(home: &Home, options: &DoctorOptions) -> Result<Vec<Finding>, Failure> {
    let what = "models";
    let file = models::settings_file(home, options.settings.as_deref());
    let settings = models::settings(file.as_deref())?;
    let asked: Vec<ModelName> = match options.model.is_empty() {
        true => models::usual(&settings),
        false => {
            options.model.iter().map(|text| text.parse()).collect::<Result<_, _>>().or_usage()?
        }
    };
    if asked.is_empty() {
        let found =
            format!("none set up; ideas come from the catalogue (to have one: {})", models::REMEDY);
        return Ok(vec![Finding { what, grade: Grade::Ok, found }]);
    }
    let client = wiring::passing_client(file.as_deref())?;
    let findings = asked.iter().map(|model| language_model(&client, model));
    Ok(futures_util::future::join_all(findings).await)
}

async fn language_model(client: &Client, model: &ModelName) -> Finding {
    let what = "model";
    let missing =
        |why: String| Finding { what, grade: Grade::Missing, found: format!("{model}: {why}") };
    if let Err(error) = client.check([model]) {
        return missing(error.to_string());
    }
    match client.ping(model).await {
        Ok(ping) => {
            let price = match ping.price {
                Some(price) => format!(
                    "${} read, ${} cached, ${} written per million tokens",
                    price.input, price.cached_input, price.output
                ),
                None => "price not known, so no budget in dollars can be kept".to_owned(),
            };
            let found = format!("{model} answers in {} ms; {price}", ping.latency_ms);
            Finding { what, grade: Grade::Ok, found }
        }
        Err(error) => missing(error.to_string()),
    }
}

/// The scale that would use this machine best; the default one runs on the CPU.
fn scale() -> &'static str {
    match gpu::list() {
        Ok(gpus) if !gpus.is_empty() => " --scale gpu1",
        Ok(_) | Err(_) => "",
    }
}

fn sandboxing() -> Finding {
    let what = "sandbox";
    let gaps = sandbox::support().gaps();
    match gaps.is_empty() {
        true => Finding {
            what,
            grade: Grade::Ok,
            found: "files, signals and sockets are restricted".into(),
        },
        false => Finding { what, grade: Grade::Warning, found: gaps.join("; ") },
    }
}
