//! Every built-in problem is well formed, and a new one works from the start.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use autores_domain::{CodePath, Codebase, Patch, Problem};
use autores_templates::problem::{self, GlobsError};
use autores_templates::problems::{self, Code, ProblemError, ProblemSource};

/// Every technique applies to the code as it is, with every value of each knob, and changes editable files only.
fn check_catalogue(source: &ProblemSource, code: &Codebase) {
    let mut wrong = Vec::new();
    for technique in source.catalogue.iter() {
        let name = &technique.name;
        let settings = technique.knobs.iter().flat_map(|knob| {
            knob.values.iter().map(|value| BTreeMap::from([(knob.name.clone(), value.clone())]))
        });
        for knobs in settings.chain([BTreeMap::new()]) {
            let edits = technique.edits(&knobs).unwrap();
            match (Patch { edits }).apply(code) {
                Ok(changed) => wrong.extend(
                    changed
                        .keys()
                        .filter(|path| !is_editable(&source.problem, path))
                        .map(|path| format!("{name} changes {path}, which is not editable")),
                ),
                Err(error) => wrong.push(format!("{name} {knobs:?}: {error}")),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn is_editable(problem: &Problem, path: &CodePath) -> bool {
    let only = Problem { frozen: vec![path.to_string()], ..problem.clone() };
    matches!(problem::check_globs(&only, [path]), Err(GlobsError::Reachable { .. }))
}

#[test]
fn every_built_in_problem_is_well_formed() {
    for name in problems::list() {
        let source = problems::find(name).unwrap();
        assert_eq!(source.problem.name, name);
        let Code::Embedded(code) = &source.code else { panic!("{name} is not embedded") };
        problem::check_globs(&source.problem, code.keys()).unwrap();
        assert_eq!(source.requirements.is_some(), source.problem.requirements.is_some());
        assert!(code.keys().all(|path| !path.as_str().contains("__pycache__")));
        // What is neither editable nor named as frozen was forgotten.
        for path in code.keys() {
            let editable = is_editable(&source.problem, path);
            let frozen = source.problem.frozen.iter().any(|glob| {
                glob == path.as_str()
                    || glob.strip_suffix("**").is_some_and(|f| path.as_str().starts_with(f))
            });
            assert!(editable != frozen, "{path} of {name} is neither editable nor frozen, or both");
        }
        check_catalogue(&source, code);
    }
}

#[test]
fn an_unknown_problem_is_answered_with_the_nearest() {
    let error = problems::find("pretrian").unwrap_err().to_string();
    assert!(
        error.starts_with(
            "there is no problem \"pretrian\"; did you mean pretrain?; built in are pretrain;"
        ),
        "{error}"
    );
    let folder = tempfile::tempdir().unwrap();
    let find = || problems::find(folder.path().to_str().unwrap());
    assert!(matches!(find(), Err(ProblemError::NotAProblem { missing: "problem.yaml", .. })));
    fs::write(folder.path().join("problem.yaml"), "name: a\n").unwrap();
    assert!(matches!(find(), Err(ProblemError::NotAProblem { missing: "code/", .. })));
    fs::create_dir(folder.path().join("code")).unwrap();
    let error = find().unwrap_err().to_string();
    assert!(error.contains("problem.yaml:1:1: key \"title\" is missing"), "{error}");
}

fn read(folder: &Path) -> Codebase {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files
        .filter(|path| path.is_file())
        .map(|path| {
            let name: CodePath = path.file_name().unwrap().to_str().unwrap().parse().unwrap();
            (name, fs::read_to_string(path).unwrap())
        })
        .collect()
}

#[test]
fn a_new_problem_is_well_formed() {
    let folder = tempfile::tempdir().unwrap();
    problems::skeleton("my-curve", folder.path()).unwrap();
    let source = problems::find(folder.path().to_str().unwrap()).unwrap();
    assert_eq!(source.problem.name, "my-curve");
    let code = read(&folder.path().join("code"));
    problem::check_globs(&source.problem, code.keys()).unwrap();
    assert_eq!(source.catalogue.len(), 4);
    check_catalogue(&source, &code);
    let readme = fs::read_to_string(folder.path().join("README.md")).unwrap();
    assert!(readme.starts_with("# my-curve\n"));
    assert!(matches!(
        problems::skeleton("other", folder.path()),
        Err(ProblemError::NotEmpty { .. })
    ));
    let file = folder.path().join("problem.yaml");
    assert!(problems::find(file.to_str().unwrap()).is_ok());
}

#[test]
fn a_new_problem_with_a_bad_name_is_refused_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let error = problems::skeleton("../up", &folder.path().join("new")).unwrap_err().to_string();
    assert!(error.contains("\"../up\" is not a problem's name"), "{error}");
    assert!(!folder.path().join("new").exists());
}

/// Runs a command of a problem as it stands there, in the code with this technique.
fn run(command: &[String], folder: &Path, seed: u64) -> Output {
    let at = |name: &str| {
        let path = folder.join(name);
        fs::create_dir_all(&path).unwrap();
        path.display().to_string()
    };
    let (data, work, out) = (at("data"), at("work"), at("out"));
    let fill = |word: &String| {
        word.replace("{python}", "python3")
            .replace("{launcher}", "python3")
            .replace("{seed}", &seed.to_string())
            .replace("{data}", &data)
            .replace("{work}", &work)
            .replace("{out}", &out)
    };
    let words: Vec<String> = command.iter().map(fill).collect();
    Command::new(&words[0]).args(&words[1..]).current_dir(folder.join("code")).output().unwrap()
}

fn succeed(command: &[String], folder: &Path, seed: u64) {
    let ran = run(command, folder, seed);
    assert!(ran.status.success(), "{command:?}: {}", String::from_utf8_lossy(&ran.stderr));
}

fn prepare(source: &ProblemSource, folder: &Path) {
    succeed(source.problem.prepare.as_ref().unwrap(), folder, 0);
}

fn loss(source: &ProblemSource, folder: &Path, seed: u64) -> f64 {
    for stage in &source.problem.stages {
        succeed(&stage.command, folder, seed);
    }
    let result = fs::read_to_string(folder.join("out/result.json")).unwrap();
    let result: BTreeMap<String, f64> = serde_json::from_str(&result).unwrap();
    result[&source.problem.metric.name]
}

#[test]
fn a_new_problem_measures_and_its_techniques_can_help() {
    let folder = tempfile::tempdir().unwrap();
    problems::skeleton("my-curve", folder.path()).unwrap();
    let source = problems::find(folder.path().to_str().unwrap()).unwrap();
    prepare(&source, folder.path());
    let mean =
        || [1, 2, 3].map(|seed| loss(&source, folder.path(), seed)).iter().sum::<f64>() / 3.0;
    let baseline = mean();
    assert_eq!(
        loss(&source, folder.path(), 3).to_bits(),
        loss(&source, folder.path(), 3).to_bits()
    );
    let code = read(&folder.path().join("code"));
    let mut edits = Vec::new();
    for name in ["annealed_step", "few_coordinates"] {
        edits.extend(source.catalogue.get(name).unwrap().edits(&BTreeMap::new()).unwrap());
    }
    for (path, text) in (Patch { edits }).apply(&code).unwrap() {
        fs::write(folder.path().join("code").join(path.as_str()), text.unwrap()).unwrap();
    }
    let better = mean();
    assert!(better < baseline, "{better} is not below {baseline}");
}

#[test]
fn a_patch_of_a_new_problem_is_tried_out_in_a_few_steps() {
    let folder = tempfile::tempdir().unwrap();
    problems::skeleton("my-curve", folder.path()).unwrap();
    let source = problems::find(folder.path().to_str().unwrap()).unwrap();
    prepare(&source, folder.path());
    let smoke = &source.problem.smoke.as_ref().unwrap().command;
    let curve = source.problem.metric.curve.as_deref().unwrap();
    let ran = run(smoke, folder.path(), 0);
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let last = said.lines().last().unwrap().strip_prefix("@metrics ").unwrap();
    let last: BTreeMap<String, f64> = serde_json::from_str(last).unwrap();
    assert_eq!(last["step"], 50.0);
    assert!(last[curve].is_finite());

    let solve = folder.path().join("code/solve.py");
    let text = fs::read_to_string(&solve).unwrap().replace("step_size(done", "step_length(done");
    fs::write(&solve, text).unwrap();
    let ran = run(smoke, folder.path(), 0);
    assert!(!ran.status.success());
    assert!(String::from_utf8_lossy(&ran.stderr).contains("NameError"));
}

#[test]
fn the_validation_points_of_a_new_problem_cannot_be_made_again() {
    let folder = tempfile::tempdir().unwrap();
    problems::skeleton("my-curve", folder.path()).unwrap();
    let source = problems::find(folder.path().to_str().unwrap()).unwrap();
    let points = |part: &str| {
        fs::read_to_string(folder.path().join("data").join(part).join("points.json")).unwrap()
    };
    let [first, second] = [(); 2].map(|()| {
        prepare(&source, folder.path());
        (points("train"), points("validation"))
    });
    assert_eq!(first.0, second.0);
    assert_ne!(first.1, second.1);
}

#[test]
fn an_answer_of_a_new_problem_without_a_finite_loss_has_diverged() {
    let folder = tempfile::tempdir().unwrap();
    problems::skeleton("my-curve", folder.path()).unwrap();
    let source = problems::find(folder.path().to_str().unwrap()).unwrap();
    prepare(&source, folder.path());
    let evaluate = &source.problem.stages.last().unwrap().command;
    fs::create_dir_all(folder.path().join("work")).unwrap();
    for answer in ["[NaN]", "[Infinity, 1.0]", "[1e300, 1e300]"] {
        fs::write(folder.path().join("work/answer.json"), answer).unwrap();
        let ran = run(evaluate, folder.path(), 1);
        let said = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert_eq!(ran.status.code(), Some(4), "{answer}: {said}");
        assert!(said.starts_with("diverged: the loss is "), "{answer}: {said}");
        assert!(!folder.path().join("out/result.json").exists());
    }
}
