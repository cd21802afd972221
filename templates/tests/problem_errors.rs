//! What a user reads when a `problem.yaml` is wrong.

use autores_domain::FaultClass;
use autores_templates::problem;

const GOOD: &str = r#"name: small
title: A small problem
description: Lower the loss.
editable: [solve.py]
frozen: [evaluate.py]
prepare: "{python} prepare.py --out {data}"
stages:
  - name: train
    command: "{launcher} solve.py --seed {seed}"
    reads: [train]
  - name: evaluate
    command: ["{python}", "evaluate.py", "{out}", "{\"a\": 1}"]
    trusted: true
    result: result.json
smoke:
  command: "{launcher} solve.py --steps 3"
  scale: cpu
  reads: [train]
  wall_s: 20
metric: {name: loss, curve: train_loss}
reward: negate
scales:
  cpu:
    description: one core
    limits: {wall_s: 60, cpu_s: 30, memory_mb: 512}
default_scale: cpu
"#;

fn error(change: &str, to: &str) -> String {
    assert!(GOOD.contains(change), "{change:?} is not in the good file");
    let text = GOOD.replace(change, to);
    match problem::parse("small/problem.yaml", &text) {
        Ok(_) => "accepted".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_good_file_has_the_defaults() {
    let problem = problem::parse("small/problem.yaml", GOOD).unwrap();
    let cpu = &problem.scales["cpu"];
    assert_eq!((cpu.gpus, cpu.threads, cpu.batch, cpu.epochs), (0, 1, 4, 4));
    assert_eq!(cpu.launcher, ["{python}"]);
    assert_eq!((cpu.limits.grace_s, cpu.limits.output_mb, cpu.limits.stall_s), (5, 64, 120));
    assert_eq!(cpu.limits.cpu_times_baseline, None);
    assert_eq!(problem.stages[0].command, ["{launcher}", "solve.py", "--seed", "{seed}"]);
    assert_eq!(problem.stages[1].command[3], "{\"a\": 1}");
    assert_eq!(problem.metric.curve.as_deref(), Some("train_loss"));
    let smoke = problem.smoke.unwrap();
    assert_eq!(smoke.command, ["{launcher}", "solve.py", "--steps", "3"]);
    assert_eq!((smoke.on_failure, smoke.wall_s), (FaultClass::Crash, 20));
    assert_eq!((smoke.scale.as_deref(), smoke.reads), (Some("cpu"), vec!["train".to_owned()]));
}

#[test]
fn each_mistake_is_named_with_its_place_and_the_remedy() {
    let cases = [
        ("editable: [", "editible: ["),
        ("wall_s: 60", "wal_s: 60"),
        ("reward: negate", "reward: lower"),
        ("reward: negate\n", ""),
        ("wall_s: 60", "wall_s: soon"),
        ("cpu_s: 30", "cpu_s: 30, cpu_times_baseline: twice"),
        ("wall_s: 60", "wall_s: 0"),
        ("cpu_s: 30", "cpu_s: 30, cpu_times_baseline: 0.5"),
        ("name: small", "name: Small Problem"),
        ("[solve.py]", "[]"),
        ("[solve.py]", "[\"solve[.py\"]"),
        ("--seed {seed}", "--seed {sead}"),
        ("--out {data}", "--out {work}"),
        ("{launcher} solve.py", "{launcher}/solve.py"),
        ("\"{launcher} solve.py --seed {seed}\"", "\"\""),
        ("    command: \"{launcher} solve.py --seed {seed}\"\n", ""),
        ("\"{launcher} solve.py --seed {seed}\"", "{python} solve.py"),
        ("    reads: [train]", "    reads: [../secret]"),
        ("    reads: [train]", "    result: early.json"),
        ("    reads: [train]", "    on_failure: infra"),
        ("    result: result.json\n", ""),
        ("    trusted: true\n", ""),
        ("name: evaluate", "name: train"),
        ("default_scale: cpu", "default_scale: cpuu"),
        ("reward: negate", "reward: negate\nreward: negate"),
        ("reward: negate", "reward: negate\nenv: [A=B]"),
        ("reward: negate", "reward: negate\nenv: [OPENAI_API_KEY]"),
        ("metric: {name: loss, curve: train_loss}", "metric: {name: loss"),
        ("curve: train_loss", "curve: \"\""),
        ("--steps 3", "--steps {steps}"),
        ("  scale: cpu", "  scale: gpu"),
        ("  reads: [train]\n  wall_s", "  reads: [test]\n  wall_s"),
        ("  reads: [train]\n  wall_s", "  reads: [/etc]\n  wall_s"),
        ("wall_s: 20", "wall_s: 0"),
        ("  wall_s: 20\n", ""),
        ("wall_s: 20", "wall_s: 20\n  on_failure: preempted"),
        ("wall_s: 20", "wall_s: 20\n  cpu_s: 9"),
    ];
    let said: Vec<String> = cases
        .iter()
        .map(|(from, to)| format!("{from:?} -> {to:?}\n    {}", error(from, to)))
        .collect();
    insta::assert_snapshot!(said.join("\n"));
}
