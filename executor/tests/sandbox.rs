//! What a stage cannot do, tried by real stages.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod bench;

use std::fs;

use autores_domain::Network;
use autores_executor::sandbox;
use bench::{Bench, again_as_another_user, bench, python};

/// Runs a script whose lines are `may COMMAND` or `must_not COMMAND`.
async fn check(mut bench: Bench) -> Bench {
    let ended = bench.report().await.unwrap();
    let log = bench.log();
    assert!(ended.outcome.is_ok(), "{:?}\n{log}", ended.outcome);
    assert!(!log.contains("BROKEN"), "{log}");
    bench
}

const WORDS: &str = "
may() { \"$@\" > /dev/null 2>&1 || echo BROKEN: cannot \"$@\"; }
must_not() { if \"$@\" > /dev/null 2>&1; then echo BROKEN: can \"$@\"; fi; }
echo '{\"loss\": 1}' > $1/result.json
";

fn enforced() -> bool {
    matches!(sandbox::support().landlock, sandbox::LandlockSupport::Version(6..))
}

#[test]
fn this_machine_says_what_it_can_enforce() {
    let support = sandbox::support();
    assert_eq!(enforced(), support.landlock.gaps().is_empty());
}

#[tokio::test]
async fn a_stage_reads_its_code_and_data_and_nothing_of_its_neighbours() {
    let bench = bench();
    let outside = bench.write("outside/secret", "s");
    bench.write("data/train/tokens", "t");
    bench.write("data/test/tokens", "t");
    let data = bench.path("data");
    let script = format!(
        "{WORDS}
        may cat train.sh
        may cat {data}/train/tokens
        may ls /usr/bin
        must_not cat {data}/test/tokens
        must_not ls {data}
        must_not cat {outside}
        must_not ls {runs}
        must_not cat $1/../spec.json
        must_not ls $1/../trusted
        must_not cat /etc/shadow
        must_not ls /root
        must_not ls /home
        must_not ls /tmp
        ",
        data = data.display(),
        outside = outside.display(),
        runs = bench.path("runs").display(),
    );
    check(bench.shell("train", &script)).await;
}

#[tokio::test]
async fn a_stage_writes_only_its_own_folder() {
    let bench = bench();
    let outside = bench.write("outside/file", "s");
    let script = format!(
        "{WORDS}
        may sh -c 'echo x > '$1'/mine && mkdir $0/d && mv $0/mine $0/d/mine && rm $0/d/mine' $1
        may sh -c 'echo x > $TMPDIR/t && echo x > $HOME/h'
        must_not sh -c 'echo x > train.sh'
        must_not sh -c 'echo x > new'
        must_not rm train.sh
        must_not sh -c 'echo x > {outside}'
        must_not truncate -s 0 {outside}
        must_not sh -c 'echo x > {folder}/outside/new'
        must_not sh -c 'echo x > /tmp/autores-test'
        must_not sh -c 'echo x > /dev/shm/autores-test'
        must_not sh -c 'echo x > $0/../output.log' $1
        must_not sh -c 'echo x > $0/../exit.json' $1
        must_not ln {outside} $1/link
        must_not mknod $1/device c 1 3
        ",
        outside = outside.display(),
        folder = bench.folder.path().display(),
    );
    let _bench = check(bench.shell("train", &script)).await;
    assert_eq!(fs::read_to_string(&outside).unwrap(), "s");
}

#[tokio::test]
async fn a_hidden_file_is_closed_and_its_neighbours_are_open() {
    let mut bench = bench();
    fs::create_dir_all(bench.path("data/train/deep")).unwrap();
    let hidden = bench.write("data/train/deep/hidden.py", "h");
    let open = bench.write("data/train/deep/open.py", "o");
    bench.hidden = vec![hidden.clone()];
    let (python, library) = python();
    bench.environment = vec![library];
    let script = format!(
        "{WORDS}
        may cat {open}
        may ls {train}/deep
        must_not cat {hidden}
        must_not cp {hidden} $1/copy
        must_not ln {hidden} $1/link
        must_not mv {hidden} $1/moved
        must_not mv {train}/deep $1/moved
        must_not sh -c 'ln -s {hidden} $0/soft && cat $0/soft' $1
        may {python} -c 'import json, os'
        ",
        open = open.display(),
        hidden = hidden.display(),
        train = bench.path("data/train").display(),
        python = python.display(),
    );
    check(bench.shell("train", &script)).await;
}

#[tokio::test]
async fn where_text_is_hidden_the_machines_other_pythons_are_closed_too() {
    let mut bench = bench();
    bench.hidden = vec![bench.write("data/train/hidden", "h")];
    bench.environment = vec![bench.path("data")];
    let script = format!(
        "{WORDS}
        for library in /usr/lib/python3.* /usr/local/lib/python3.*; do
            if [ -e $library/os.py ]; then must_not cat $library/os.py; fi
        done
        may ls /usr/lib
        "
    );
    check(bench.shell("train", &script)).await;
}

#[tokio::test]
async fn the_systems_python_works_although_text_is_hidden_in_its_library() {
    let mut bench = bench();
    let (python, library) = python();
    let hidden = library.join("this.py");
    bench.hidden = vec![hidden.clone()];
    bench.environment = vec!["/usr".into(), library.clone()];
    let script = format!(
        "{WORDS}
        may {python} -c 'import json, os'
        may cat {open}
        must_not cat {hidden}
        must_not {python} -c 'import this'
        ",
        python = python.display(),
        open = library.join("os.py").display(),
        hidden = hidden.display(),
    );
    check(bench.shell("train", &script)).await;
}

#[tokio::test]
async fn a_stage_sees_only_the_variables_that_are_listed() {
    // Set for all tests of this program, which read no other variable of these names.
    let listed = ("PATH_INFO_FOR_TEST", std::env::var("CARGO_PKG_NAME").is_ok());
    let mut bench = bench();
    bench.problem.env = vec!["CARGO_PKG_NAME".into(), listed.0.into()];
    let script = format!("{WORDS}env | cut -d= -f1 | sort > $1/names; echo ok >> $1/names");
    let mut bench = bench.shell("train", &script);
    bench.values().await;
    let names = bench.written("names").await;
    let mut expected = vec![
        "AUTORES_ATTEMPT",
        "CUDA_DEVICE_ORDER",
        "CUDA_VISIBLE_DEVICES",
        "HOME",
        "LANG",
        "MKL_NUM_THREADS",
        "OMP_NUM_THREADS",
        "PATH",
        "PWD",
        "PYTHONDONTWRITEBYTECODE",
        "PYTHONHASHSEED",
        "PYTHONUNBUFFERED",
        "TMPDIR",
        "ok",
    ];
    if listed.1 {
        expected.push("CARGO_PKG_NAME");
    }
    expected.sort_unstable();
    let mut found: Vec<&str> =
        names.lines().filter(|name| !["OLDPWD", "_", "SHLVL"].contains(name)).collect();
    found.sort_unstable();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn a_stage_cannot_read_the_variables_of_its_supervisor_or_starter() {
    let script = format!(
        "{WORDS}
        must_not cat /proc/{}/environ
        must_not cat /proc/$PPID/environ
        may cat /proc/self/environ
        ",
        std::process::id()
    );
    check(bench().shell("train", &script)).await;
}

#[tokio::test]
async fn a_stage_cannot_signal_its_supervisor_or_starter() {
    let script = format!(
        "{WORDS}
        must_not kill -0 {test}
        must_not kill -0 $PPID
        must_not kill -STOP $PPID
        sleep 100 & may kill $!
        ",
        test = std::process::id()
    );
    check(bench().shell("train", &script)).await;
}

const SOCKETS: &str = "
import ctypes, os, socket, sys
def must_not(name, act):
    try:
        act()
        print('BROKEN: can', name)
    except OSError:
        pass
families = ['AF_INET', 'AF_INET6', 'AF_PACKET', 'AF_NETLINK', 'AF_VSOCK', 'AF_UNIX', 'AF_ALG']
for family in families:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW):
        number = getattr(socket, family, None)
        if number is not None:
            must_not(family, lambda: socket.socket(number, kind))
a, b = socket.socketpair()
a.send(b'x')
assert b.recv(1) == b'x'
libc = ctypes.CDLL(None, use_errno=True)
for name, number in {'memfd_create': 319 if os.uname().machine == 'x86_64' else 279, 'io_uring_setup': 425, 'unshare': 272 if os.uname().machine == 'x86_64' else 97}.items():
    if libc.syscall(number, 0x40000000, 0) != -1 or ctypes.get_errno() != 1:
        print('BROKEN: can', name)
open(sys.argv[1] + '/result.json', 'w').write('{\"loss\": 1}')
";

#[tokio::test]
async fn a_stage_without_network_makes_no_socket() {
    check(bench().python("train", SOCKETS)).await;
}

const LOOPBACK: &str = "
import socket, sys, threading
server = socket.socket()
server.bind(('127.0.0.1', 0))
server.listen()
def serve():
    connection, _ = server.accept()
    connection.sendall(b'hello')
    connection.close()
threading.Thread(target=serve).start()
client = socket.create_connection(server.getsockname())
assert client.recv(5) == b'hello'
names = [name for _, name in socket.if_nameindex()]
if names != ['lo']:
    print('BROKEN: sees', names)
try:
    socket.create_connection(('192.0.2.1', 9), timeout=2)
    print('BROKEN: can leave')
except OSError as error:
    if error.errno != 101:
        print('BROKEN: left and failed with', error)
try:
    socket.create_connection(('127.0.0.1', int(open('port').read())), timeout=2)
    print('BROKEN: reaches this machine')
except ConnectionRefusedError:
    pass
open('/dev/shm/mine', 'w').write('x')
open(sys.argv[1] + '/result.json', 'w').write('{\"loss\": 1}')
";

#[tokio::test]
async fn processes_of_one_job_meet_on_a_loopback_of_their_own() {
    if let Some(reason) = sandbox::support().loopback {
        return bench::did_not_run(&format!("a job's own loopback, since {reason}"));
    }
    let here = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = here.local_addr().unwrap().port().to_string();
    let mut bench = bench().python("train", LOOPBACK).file("port", &port);
    bench.problem.scales.get_mut("cpu").unwrap().network = Network::Loopback;
    check(bench).await;
    assert!(!std::path::Path::new("/dev/shm/mine").exists());
}

#[tokio::test]
async fn code_that_a_trusted_stage_starts_sees_less_and_keeps_nothing() {
    let bench = bench();
    bench.write("data/train/tokens", "t");
    bench.write("data/test/tokens", "t");
    let inner = format!(
        "{WORDS}
        may cat $WORK/checkpoint
        may cat {data}/train/tokens
        may sh -c 'echo x > $TMPDIR/x'
        may sh -c '! ls $TMPDIR/../* | grep -q y'
        must_not sh -c 'echo x > $TMPDIR/../y'
        must_not cat {data}/test/tokens
        must_not cat $TRUSTED/answer
        must_not sh -c 'echo x > $TRUSTED/new'
        must_not sh -c 'echo x > $WORK/new'
        must_not cat /proc/$PPID/environ
        must_not kill -0 $PPID
        must_not ls $TMPDIR/..
        test -z \"$AUTORES_UNTRUSTED\" || echo BROKEN: has a prefix
        ",
        data = bench.path("data").display()
    )
    .replace("echo '{\"loss\": 1}' > $1/result.json", "");
    let outer = format!(
        "{WORDS}
        export TRUSTED=$1 WORK=$2
        may cat {data}/test/tokens
        may cat $2/checkpoint
        must_not sh -c 'echo x > $0/new' $2
        echo 42 > $1/answer
        prefix=$(echo $AUTORES_UNTRUSTED | tr -d '[]\"' | tr ',' ' ')
        $prefix /bin/sh inner.sh
        $prefix /bin/sh inner.sh
        ",
        data = bench.path("data").display()
    );
    let train = "echo weights > $1/checkpoint";
    let bench =
        bench.shell("train", train).trusted_shell("evaluate", &outer).file("inner.sh", &inner);
    check(bench).await;
}

#[tokio::test]
async fn what_is_not_enforced_is_said_in_the_log() {
    let mut bench = bench().shell("train", WORDS);
    bench.values().await;
    let said = bench.log().contains("autores: sandbox:");
    assert_eq!(said, !enforced());
}

#[test]
fn for_another_user_it_holds_too() {
    again_as_another_user();
}
