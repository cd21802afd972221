//! A disk that is full, really: a small one, in a mount namespace of its own.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use autores_executor::environment;

use crate::support::{Bench, bench, did_not_run, text};

/// The folder with `uv`, which is larger than the small disk.
fn installer(bench: &Bench) -> PathBuf {
    let uv = environment::look(&bench.home).uv;
    uv.and_then(|program| program.parent().map(PathBuf::from)).unwrap_or_default()
}

#[test]
fn a_run_on_a_full_disk_ends_with_the_reason_and_is_resumed_once_there_is_room() {
    let bench = bench();
    // Makes the environment, and with it the installer.
    bench.autores(&["problem", "check", bench.problem.to_str().unwrap()]);
    let home = tempfile::tempdir().unwrap();
    let problem = bench.problem.to_str().unwrap();
    // The run fills the disk by itself some way into it, because the filler leaves little room.
    let script = r#"
        mount -t tmpfs -o size=160m tmpfs "$1" || exit 77
        export AUTORES_HOME="$1" PATH="$4:$PATH"
        "$2" run --problem "$3" --name full --epochs 8 2>"$1/first.log" >/dev/null &
        run=$!
        for wait in $(seq 600); do
            "$2" list --json 2>/dev/null | grep -q '"measured": [3-9]' && break
            sleep 0.1
        done
        head -c 400m /dev/zero > "$1/filler" 2>/dev/null
        wait $run; echo "first exit $?"; cat "$1/first.log"
        rm "$1/filler"
        "$2" resume full 2>&1; echo "second exit $?"
    "#;
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "/bin/sh", "-c", script, "sh"])
        .arg(home.path())
        .arg(env!("CARGO_BIN_EXE_autores"))
        .arg(problem)
        .arg(installer(bench))
        .stdin(Stdio::null())
        .output();
    let output = match output {
        Ok(output) if output.status.code() != Some(77) => output,
        other => {
            return did_not_run(&format!(
                "a run on a full disk, since a small one cannot be made: {other:?}"
            ));
        }
    };
    let said = text(&output);
    if said.contains("unshare failed") {
        return did_not_run(&format!(
            "a run on a full disk, since a small one cannot be made: {said}"
        ));
    }
    assert!(said.contains("first exit 1"), "{said}");
    assert!(said.to_lowercase().contains("no space left"), "{said}");
    assert!(said.contains("autores resume full"), "{said}");
    assert!(said.contains("second exit 0"), "{said}");
}
