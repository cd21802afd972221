//! A run that stops asking: what was sent ends and is kept, and nothing else is begun.

use std::time::{Duration, Instant};

use autores_domain::{Budget, Transcripts};
use autores_ideators::llm::{CallError, Client};

use crate::misbehaving::*;
use crate::support::*;

/// Stops once the server has heard so many questions.
async fn stop_after(server: &Server, client: &Client, count: usize) {
    while server.count() < count {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    client.stop_asking();
}

fn stopping() -> CallError {
    CallError::Stopping { model: model() }
}

#[tokio::test]
async fn what_was_sent_is_answered_and_kept_and_nothing_else_is_begun() {
    let late = Act::Late(Duration::from_millis(300), Box::new(reply("late")));
    let server = Server::start([late]).await;
    let setup = Setup::at(&server.url()).with(|setup| setup.provider.concurrency = 1);
    let client = setup.client();
    let queued = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        ask(&client, "b2").await
    };
    let (sent, queued, ()) =
        tokio::join!(ask(&client, "b1"), queued, stop_after(&server, &client, 1));
    assert_eq!(sent.result.unwrap().text, "late");
    assert_eq!(queued.result, Err(stopping()));
    assert_eq!(ask(&client.clone(), "b3").await.result, Err(stopping()), "a clone stops too");
    assert_eq!(ask(&client, "b1").await.result.unwrap().text, "late", "what is kept is given");
    assert_eq!((server.count(), client.spent().calls), (1, 1));
    assert_eq!(setup.transcripts.keys().unwrap(), [key("b1")]);
    assert_eq!(stopping().to_string(), "the run stops, so test/m is not asked any more");
}

#[tokio::test]
async fn no_pause_is_waited_for() {
    let server = Server::start([too_many(Some("60"))]).await;
    let client = Setup::at(&server.url()).client();
    let since = Instant::now();
    let (held, ()) = tokio::join!(ask(&client, "b1"), stop_after(&server, &client, 1));
    assert_eq!(held.result, Err(stopping()));
    assert!(since.elapsed() < Duration::from_secs(5));
    assert_eq!(server.count(), 1);
}

#[tokio::test]
async fn a_try_that_failed_is_not_followed_by_another_and_is_paid_for() {
    let late = Act::Late(Duration::from_millis(200), Box::new(tool_call()));
    let server = Server::start([late, reply("fine")]).await;
    let setup = Setup::at(&server.url());
    let client = setup.client();
    let (asked, ()) = tokio::join!(ask(&client, "b1"), stop_after(&server, &client, 1));
    assert_eq!(asked.result, Err(stopping()));
    assert_eq!(asked.call.tokens.output, 20);
    assert_eq!(server.count(), 1);
    let later = setup.client();
    assert_eq!(later.spent(), client.spent(), "it was kept");
    assert_eq!(ask(&later, "b1").await.result.unwrap().text, "fine");
}

#[tokio::test]
async fn who_waits_for_the_budget_waits_no_longer() {
    let late = Act::Late(Duration::from_millis(400), Box::new(reply("late")));
    let server = Server::start([late]).await;
    // Room for one call at its worst, and not for another beside it.
    let setup = Setup::at(&server.url())
        .with(|setup| setup.budget = Budget { tokens: Some(1500), ..Budget::default() });
    let client = setup.client();
    let waiting = async {
        while server.count() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let stop = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            client.stop_asking();
        };
        tokio::join!(ask(&client, "b2"), stop).0
    };
    let since = Instant::now();
    let (sent, waiting) =
        tokio::join!(ask(&client, "b1"), async { (waiting.await, since.elapsed()) });
    assert!(sent.result.is_ok());
    assert_eq!(waiting.0.result, Err(stopping()));
    assert!(waiting.1 < Duration::from_millis(350), "{:?}", waiting.1);
}
