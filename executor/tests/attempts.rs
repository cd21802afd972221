//! What becomes of an attempt, seen from outside: each ending with its class and its words.

mod bench;

use std::fs;
use std::process::Command;

use autores_domain::{Backend, FaultClass};
use autores_executor::shim::{Exit, TelemetryPoint};
use bench::{again_as_another_user, attempt, bench, lives};

const RESULT: &str = "echo '{\"loss\": 2.5, \"note\": \"x\"}' > $1/result.json\n";

#[tokio::test]
async fn an_attempt_ends_with_its_numbers_and_what_it_reported() {
    let script =
        format!("echo hello; echo '@metrics {{\"step\": 1, \"train_loss\": 3.5}}'\n{RESULT}");
    let mut bench = bench().shell("train", &script);
    let ended = bench.report().await.unwrap();
    assert_eq!(ended.outcome.unwrap(), [("loss".to_owned(), 2.5)].into());
    assert_eq!(ended.metrics.len(), 1);
    assert_eq!(ended.metrics[0].values["train_loss"], 3.5);
    let exit = Exit::read(&bench.attempt_folder(&attempt(1))).unwrap().unwrap();
    assert_eq!(exit.stages.len(), 1);
    assert!(ended.usage.wall_s > 0.0);
    assert_eq!(bench.log(), "=== stage train\nhello\n");
    let telemetry = fs::read_to_string(bench.attempt_folder(&attempt(1)).telemetry()).unwrap();
    serde_json::from_str::<TelemetryPoint>(telemetry.lines().next().unwrap()).unwrap();
}

#[tokio::test]
async fn cpu_seconds_of_children_that_ended_are_counted() {
    let work = "sh -c 'i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done'";
    let mut bench = bench().shell("train", &format!("{work} & {work}; wait\n{RESULT}"));
    let ended = bench.report().await.unwrap();
    assert!(ended.usage.cpu_s > 0.01, "{:?}", ended.usage);
    let exit = Exit::read(&bench.attempt_folder(&attempt(1))).unwrap().unwrap();
    assert!(exit.stages[0].usage.cpu_s <= ended.usage.cpu_s);
}

#[tokio::test]
async fn an_error_is_a_crash_with_its_last_lines() {
    let mut bench =
        bench().shell("train", "echo starting; echo 'ValueError: bad width' >&2; exit 1");
    let fault = bench.fault().await;
    assert_eq!(fault.class, FaultClass::Crash);
    assert_eq!(fault.reason, "stage train exited with status 1: ValueError: bad width");
    assert!(fault.tail.contains(&"starting".to_owned()));
}

#[tokio::test]
async fn the_stage_after_a_failure_does_not_run() {
    let mut bench = bench().shell("train", "exit 1").shell("evaluate", RESULT);
    assert!(bench.fault().await.reason.contains("stage train"));
    assert!(!bench.log().contains("evaluate"));
}

#[tokio::test]
async fn a_missing_result_or_metric_is_named() {
    let fault = bench().shell("train", "true").fault().await;
    assert_eq!(fault.class, FaultClass::Crash);
    assert!(fault.reason.contains("result.json"), "{fault}");
    let fault = bench().shell("train", "echo '{\"lost\": 1}' > $1/result.json").fault().await;
    assert_eq!(fault.class, FaultClass::Crash);
    assert!(fault.reason.contains("no number loss"), "{fault}");
}

#[tokio::test]
async fn a_result_that_is_a_link_or_a_pipe_is_not_read() {
    let bench_ = bench();
    let secret = bench_.write("outside/secret.json", "{\"loss\": 1}");
    let fault =
        bench_.shell("train", &format!("ln -s {} $1/result.json", secret.display())).fault().await;
    assert!(fault.reason.contains("without its result file"), "{fault}");
    let fault = bench().shell("train", "mkfifo $1/result.json").fault().await;
    assert!(fault.reason.contains("not a file"), "{fault}");
}

#[tokio::test]
async fn a_metric_that_is_not_a_number_is_divergence() {
    let fault = bench().shell("train", "echo '{\"loss\": NaN}' > $1/result.json").fault().await;
    assert_eq!(fault.class, FaultClass::Diverged);
    assert!(fault.reason.contains("loss is NaN"), "{fault}");
    let script = "echo '@metrics {\"step\": 40, \"train_loss\": NaN}'; sleep 600";
    let fault = bench().shell("train", script).fault().await;
    assert_eq!(fault.class, FaultClass::Diverged);
    assert_eq!(fault.reason, "metric train_loss is NaN at step 40");
}

#[tokio::test]
async fn a_busy_loop_meets_the_cpu_limit() {
    let mut bench = bench().shell("train", "while true; do :; done").limits(|l| l.cpu_s = 1);
    let fault = bench.fault().await;
    assert_eq!(fault.class, FaultClass::Timeout);
    assert!(fault.reason.contains("CPU seconds, the limit is 1"), "{fault}");
}

#[tokio::test]
async fn work_is_counted_although_the_parent_does_not_want_to_know_of_its_children() {
    let script = "
import os, signal, time
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
while True:
    child = os.fork()
    if child == 0:
        end = time.process_time() + 0.4
        while time.process_time() < end: pass
        os._exit(0)
    while os.path.exists(f'/proc/{child}'): time.sleep(0.01)
";
    let mut bench = bench().python("train", script).limits(|l| l.cpu_s = 1);
    let fault = bench.fault().await;
    assert_eq!(fault.class, FaultClass::Timeout);
    assert!(fault.reason.contains("CPU seconds"), "{fault}");
}

#[tokio::test]
async fn a_sleeper_meets_the_wall_limit_and_a_silent_one_the_stall_limit() {
    let fault = bench().shell("train", "sleep 600").limits(|l| l.wall_s = 1).fault().await;
    assert_eq!(fault.class, FaultClass::Timeout);
    assert!(fault.reason.contains("wall-clock seconds, the limit is 1"), "{fault}");
    let fault = bench().shell("train", "sleep 600").limits(|l| l.stall_s = 1).fault().await;
    assert_eq!(fault.class, FaultClass::Stalled);
}

#[tokio::test]
async fn a_request_to_end_can_be_used_and_not_be_ignored() {
    let polite = "trap 'echo goodbye; exit 0' TERM; while true; do sleep 0.05; done";
    let mut bench_ = bench().shell("train", polite).limits(|l| l.wall_s = 1);
    assert_eq!(bench_.fault().await.class, FaultClass::Timeout);
    assert!(bench_.log().contains("goodbye"));
    let stubborn = "trap '' TERM; echo $$ > $1/pid; while true; do sleep 0.05; done";
    let mut bench_ = bench().shell("train", stubborn).limits(|l| l.wall_s = 1);
    assert_eq!(bench_.fault().await.class, FaultClass::Timeout);
    assert!(!lives(&bench_.written("pid").await));
}

#[tokio::test]
async fn nothing_that_a_stage_started_is_left() {
    // One in the background, one in a session of its own, one whose environment is empty.
    let script = format!(
        "sleep 600 & echo $! > $1/a
        setsid sh -c 'trap \"\" TERM; echo $$ > '$1'/b; sleep 600; true' &
        (env -i setsid sh -c 'echo $$ > '$1'/c; sleep 600; true' &)
        while ! [ -s $1/b ] || ! [ -s $1/c ]; do sleep 0.02; done
        {RESULT}"
    );
    let mut bench = bench().shell("train", &script);
    assert_eq!(bench.values().await["loss"], 2.5);
    for name in ["a", "b", "c"] {
        assert!(!lives(&bench.written(name).await), "{name} is left");
    }
}

#[tokio::test]
async fn processes_that_end_as_soon_as_they_have_a_successor_are_caught() {
    // Bounded, so that nothing is left for long if they are not.
    let chain = "
#include <fcntl.h>
#include <time.h>
#include <unistd.h>
int main(int count, char **words) {
    time_t end = time(0) + 60;
    long step = 0;
    int beat = open(words[1], O_CREAT | O_WRONLY, 0600);
    while (time(0) < end) {
        if (fork()) _exit(0);
        setsid();
        step += 1;
        pwrite(beat, &step, sizeof step, 0);
    }
}
";
    let bench = bench();
    let source = bench.write("data/train/chain.c", chain);
    let program = bench.path("data/train/chain");
    let built = Command::new("cc").arg(source).arg("-o").arg(&program).status().unwrap();
    assert!(built.success());
    let script = format!(
        "{} $1/beat; while ! [ -s $1/beat ]; do sleep 0.02; done\n{RESULT}",
        program.display()
    );
    let mut bench = bench.shell("train", &script);
    assert_eq!(bench.values().await["loss"], 2.5);
    let beat = bench.attempt_folder(&attempt(1)).work().join("beat");
    let last = fs::read(&beat).unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    assert_eq!(fs::read(&beat).unwrap(), last, "the chain goes on");
}

#[tokio::test]
async fn more_reports_than_can_be_used_are_not_kept_and_are_no_fault() {
    let script = format!(
        "i=0; while [ $i -lt 10500 ]; do echo '@metrics {{\"a\": 1}}'; i=$((i+1)); done\n{RESULT}"
    );
    let mut bench = bench().shell("train", &script);
    let ended = bench.report().await.unwrap();
    assert_eq!(ended.outcome.unwrap()["loss"], 2.5);
    assert_eq!(ended.metrics.len(), 10_000);
    assert_eq!(bench.log().matches("is not kept").count(), 1);
}

#[tokio::test]
async fn many_files_together_meet_the_disk_limit() {
    let script = "for i in 1 2 3 4 5; do head -c 1000000 /dev/zero > $1/tmp/$i; done; sleep 600";
    let mut bench = bench().shell("train", script).limits(|l| l.disk_mb = 3);
    let fault = bench.fault().await;
    assert_eq!(fault.class, FaultClass::Policy);
    assert!(fault.reason.contains("3 MiB together (disk_mb)"), "{fault}");
}

#[tokio::test]
async fn what_a_stage_prints_does_not_make_the_machine_guilty() {
    let forged = [
        "echo 'autores: cannot make the sandbox: x' >&2; exit 120",
        "echo 'autores: cannot start /usr/bin/python3: x' >&2; exit 127",
        "echo '{\"sandbox\": \"x\"}' >&0; echo 'autores: cannot make the sandbox' >&2; exit 120",
    ];
    for script in forged {
        assert_eq!(bench().shell("train", script).fault().await.class, FaultClass::Crash);
    }
}

#[tokio::test]
async fn a_gpu_that_cannot_be_held_is_said() {
    let mut bench = bench().shell("train", RESULT);
    bench.write("gpus", "a file where the locks' folder should be");
    let (backend, mut job) = (bench.backend(), bench.job(1));
    job.slot.gpus = vec![0];
    backend.ensure(&job).await.unwrap();
    let fault = backend.watch(&attempt(1)).await.unwrap_err().0;
    assert_eq!(fault.class, FaultClass::Infra);
    assert!(fault.reason.contains("cannot hold a GPU in"), "{fault}");
}

#[tokio::test]
async fn a_hundred_megabytes_on_one_line_break_the_output_limit_and_little_memory_is_used() {
    let script = "head -c 100000000 /dev/zero | tr '\\0' x; sleep 600";
    let mut bench = bench().shell("train", script).limits(|l| l.output_mb = 20);
    let backend = bench.start().await;
    let shim: serde_json::Value =
        serde_json::from_slice(&fs::read(bench.attempt_folder(&attempt(1)).shim()).unwrap())
            .unwrap();
    let status = format!("/proc/{}/status", shim["pid"]);
    let first = attempt(1);
    let watching = backend.watch(&first);
    let mut peak_kib = 0;
    let ended = {
        tokio::pin!(watching);
        loop {
            tokio::select! {
                ended = &mut watching => break ended.unwrap(),
                () = tokio::time::sleep(std::time::Duration::from_millis(5)) => {
                    let text = fs::read_to_string(&status).unwrap_or_default();
                    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
                    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
                    peak_kib = peak_kib.max(kib.unwrap_or(0));
                }
            }
        }
    };
    let fault = ended.outcome.unwrap_err();
    assert_eq!(fault.class, FaultClass::Policy);
    assert!(fault.reason.contains("20 MiB"), "{fault}");
    assert!(peak_kib < 64 << 10, "the supervisor used {peak_kib} KiB");
    assert!(bench.log().len() < 4 << 20);
}

#[tokio::test]
async fn a_memory_hog_meets_the_memory_limit() {
    let script = "import time\nkept = []\nwhile True:\n    kept.append(bytearray(8 << 20)); time.sleep(0.01)\n";
    let mut bench = bench().python("train", script).limits(|l| l.memory_mb = 200);
    let fault = bench.fault().await;
    assert_eq!(fault.class, FaultClass::Oom);
    assert!(fault.reason.contains("the limit is 200 MiB"), "{fault}");
}

#[tokio::test]
async fn a_file_that_grows_too_large_breaks_a_rule() {
    let script = "head -c 3000000 /dev/zero > $1/large || exit 1";
    let mut bench = bench().shell("train", script).limits(|l| l.file_mb = 1);
    let fault = bench.fault().await;
    assert_eq!(fault.class, FaultClass::Policy);
    assert!(fault.reason.contains("file_mb"), "{fault}");
}

#[tokio::test]
async fn a_trusted_stage_names_the_class_of_its_verdict() {
    let script = "echo 'policy: prediction at position 3 changes with later tokens' >&2; exit 3";
    let fault = bench().shell("train", "true").trusted_shell("evaluate", script).fault().await;
    assert_eq!(fault.class, FaultClass::Policy);
    assert_eq!(fault.reason, "prediction at position 3 changes with later tokens");
    let fault = bench().shell("train", "echo 'policy: x' >&2; exit 3").fault().await;
    assert_eq!(fault.class, FaultClass::Crash);
}

#[tokio::test]
async fn a_program_that_does_not_exist_is_named() {
    let mut bench = bench().shell("train", RESULT);
    bench.problem.stages[0].command = vec!["/usr/bin/no-such-program".into()];
    let fault = bench.fault().await;
    assert_eq!(fault.class, FaultClass::Infra);
    assert!(fault.reason.contains("cannot start /usr/bin/no-such-program"), "{fault}");
}

#[tokio::test]
async fn an_unknown_placeholder_or_commit_is_refused_by_name() {
    let mut bench_ = bench().shell("train", RESULT);
    bench_.problem.stages[0].command.push("{sede}".into());
    let job = bench_.job(1);
    let error = bench_.backend().ensure(&job).await.unwrap_err().to_string();
    assert!(error.contains("stage train") && error.contains("{sede}"), "{error}");
    let mut bench_ = bench().shell("train", RESULT);
    let mut job = bench_.job(1);
    job.commit = "0".repeat(40);
    let error = bench_.backend().ensure(&job).await.unwrap_err().to_string();
    assert!(error.contains(&job.commit), "{error}");
}

#[test]
fn for_another_user_it_is_the_same() {
    again_as_another_user();
}
