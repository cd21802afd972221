//! GPUs, through the real loading of a library that stands in for the driver's.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod bench;

use std::fs;
use std::path::Path;
use std::process::Command;

use autores_domain::Backend;
use autores_executor::gpu;
use autores_executor::shim::TelemetryPoint;
use bench::{attempt, bench};

const SECOND: &str = "AUTORES_TEST_SECOND";

/// Whether this is the process with the stand-in; else starts it.
fn with_stand_in(test: &str, variables: &[(&str, &str)]) -> bool {
    if std::env::var_os(SECOND).is_some() {
        return true;
    }
    let folder = tempfile::tempdir().unwrap();
    let library = folder.path().join("fake.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/nvml/fake.c");
    let built =
        Command::new("cc").args(["-shared", "-fPIC", "-o"]).args([&library, &source]).status();
    assert!(built.unwrap().success());
    let output = Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture"])
        .env(SECOND, "1")
        .env(gpu::LIBRARY_VARIABLE, &library)
        .env_remove("CUDA_VISIBLE_DEVICES")
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    false
}

#[test]
fn cards_are_listed_with_what_they_are() {
    if !with_stand_in("cards_are_listed_with_what_they_are", &[]) {
        return;
    }
    let gpus = gpu::list().unwrap();
    assert_eq!(gpus.len(), 2);
    assert_eq!((gpus[1].index, gpus[1].name.as_str()), (1, "Fake 1"));
    assert_eq!((gpus[1].memory_mb, gpus[1].driver.as_str()), (81_920, "570.1"));
}

#[test]
fn a_card_that_the_user_hides_is_not_listed() {
    let test = "a_card_that_the_user_hides_is_not_listed";
    if with_stand_in(test, &[("CUDA_VISIBLE_DEVICES", "1")]) {
        assert_eq!(gpu::list().unwrap().iter().map(|gpu| gpu.index).collect::<Vec<_>>(), [1]);
    }
}

#[test]
fn a_card_that_fell_off_the_bus_is_an_error_that_says_where_to_look() {
    let test = "a_card_that_fell_off_the_bus_is_an_error_that_says_where_to_look";
    if with_stand_in(test, &[("NVML_LOST", "1")]) {
        let error = gpu::list().unwrap_err().to_string();
        assert!(error.contains("nvidia-smi"), "{error}");
    }
}

#[tokio::test]
async fn a_job_sees_its_own_cards_and_their_use_is_recorded() {
    if !with_stand_in("a_job_sees_its_own_cards_and_their_use_is_recorded", &[]) {
        return;
    }
    let script = "echo $CUDA_VISIBLE_DEVICES $CUDA_DEVICE_ORDER > $1/cards
        echo '{\"loss\": 1}' > $1/result.json";
    let mut bench = bench().shell("train", script);
    let (backend, mut job) = (bench.backend(), bench.job(1));
    job.slot.gpus = vec![1];
    backend.ensure(&job).await.unwrap();
    let ended = backend.watch(&attempt(1)).await.unwrap();
    assert_eq!(ended.usage.peak_gpu_memory_mb, Some(3072.0));
    assert_eq!(bench.written("cards").await, "1 PCI_BUS_ID\n");
    let telemetry = fs::read_to_string(bench.attempt_folder(&attempt(1)).telemetry()).unwrap();
    let point: TelemetryPoint = serde_json::from_str(telemetry.lines().next().unwrap()).unwrap();
    let card = &point.gpus[0];
    assert_eq!((card.index, card.utilisation, card.temperature_c), (1, Some(87), Some(61)));
    assert_eq!(card.power_w, Some(312.5));
}
