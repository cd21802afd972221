//! A small real language model behind a real server, on loopback: installed and started once for all tests.

mod client;
mod run;

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, mpsc};
use std::time::Duration;

use autores_executor::environment;

use crate::support::{bench, did_not_run};

/// What models are called after `llamacpp/`.
pub(crate) const NAME: &str = "smollm2";

/// Tokens of a call, prompt and reply together.
pub(crate) const CONTEXT: u64 = 8_192;

/// The right to use the server, for one test at a time: another's calls would take away what it keeps in its cache.
pub(crate) struct RealLlm {
    /// Where it answers, for `LLAMACPP_BASE_URL`.
    pub(crate) base_url: &'static str,
    _alone: MutexGuard<'static, ()>,
}

/// The server; `None`, and named at the end of the tests, where it cannot be had.
pub(crate) fn real_llm() -> Option<RealLlm> {
    static SERVER: OnceLock<Result<Server, String>> = OnceLock::new();
    static ALONE: Mutex<()> = Mutex::new(());
    match SERVER.get_or_init(Server::start) {
        Ok(server) => {
            let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
            Some(RealLlm { base_url: &server.base_url, _alone: alone })
        }
        Err(error) => {
            did_not_run(&format!("what needs a real language model: {error}"));
            None
        }
    }
}

struct Server {
    base_url: String,
    // Holds the pipe that ends the server when this process ends, however it does.
    _process: Child,
}

impl Server {
    fn start() -> Result<Self, String> {
        let files = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/llm");
        let requirements = std::fs::read_to_string(files.join("requirements.lock")).unwrap();
        let installed =
            environment::ensure(&bench().home, Some(&requirements), &|line| eprintln!("{line}"));
        let python = installed.map_err(|error| error.to_string())?.python;
        let log = Path::new(env!("CARGO_TARGET_TMPDIR")).join("llm-server.log");
        let mut process = Command::new(python)
            .arg(files.join("server.py"))
            .args(["--context", &CONTEXT.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .map_err(|error| error.to_string())?;
        let output = process.stdout.take().unwrap();
        let (say, heard) = mpsc::channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            let _ = BufReader::new(output).read_line(&mut line);
            let _ = say.send(line);
        });
        let line = heard.recv_timeout(Duration::from_secs(120)).unwrap_or_default();
        let Some(port) = line.trim().strip_prefix("ready ") else {
            let _ = process.kill();
            let log = std::fs::read_to_string(log).unwrap_or_default();
            return Err(format!("its server does not start: {line}{log}"));
        };
        Ok(Self { base_url: format!("http://127.0.0.1:{port}/v1"), _process: process })
    }
}
