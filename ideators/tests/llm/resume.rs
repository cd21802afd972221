//! Transcripts: what was answered once is never asked again, and a run can be repeated without a network.

use std::sync::Arc;

use autores_domain::{Call, CallKey, Role, Spent, TranscriptError, Transcripts};
use autores_ideators::llm::{CallError, Client};

use crate::misbehaving::*;
use crate::support::*;

#[tokio::test]
async fn a_second_client_pays_for_nothing_that_was_answered() {
    let server = Server::start([reply("one"), reply("two")]).await;
    let setup = Setup::at(&server.url());
    let first = setup.client();
    let one = ask(&first, "b1").await;
    ask(&first, "b2").await.result.unwrap();
    let before = first.spent();
    drop(first);

    let second = setup.client();
    assert_eq!(second.spent(), before, "what was spent is known again");
    assert_eq!(ask(&second, "b1").await, one, "the same answer and the same bill");
    assert_eq!(second.spent(), before);
    assert_eq!(server.count(), 2);
}

#[tokio::test]
async fn what_failed_is_asked_again_and_both_are_paid() {
    let server = Server::start([tool_call(), tool_call(), reply("fine")]).await;
    let setup = Setup::at(&server.url());
    assert!(ask(&setup.client(), "b1").await.result.is_err());
    let asked = ask(&setup.client(), "b1").await;
    assert_eq!(asked.call.tokens.output, 20);
    assert_eq!(ask(&setup.client(), "b1").await, asked, "an answer is given as it was");
    let spent = setup.client().spent();
    assert_eq!((spent.calls, spent.tokens.output), (2, 60));
}

#[tokio::test]
async fn each_time_that_a_key_is_asked_again_is_another_round() {
    let server = Server::start([refusal(), refusal(), reply("fine")]).await;
    let setup = Setup::at(&server.url());
    let client = setup.client();
    for round in 0..2 {
        let failed = ask(&client, "b1").await;
        assert!(failed.result.is_err());
        assert_eq!((failed.call.round, failed.call.tokens.output), (round, 20));
    }
    for client in [&client, &setup.client()] {
        let asked = ask(client, "b1").await;
        assert!(asked.result.is_ok());
        assert_eq!(asked.call.round, 2, "the answer keeps its round");
    }
    let (_, repeated) = repeating(&setup);
    assert_eq!(ask(&repeated, "b1").await.call.round, 2);
    assert_eq!(client.spent().tokens.output, 60);
}

#[tokio::test]
async fn the_same_key_asked_twice_at_a_time_is_one_call() {
    let server = Server::start([reply("one"), reply("two")]).await;
    let client = Setup::at(&server.url()).client();
    let (one, two) = tokio::join!(ask(&client, "b1"), ask(&client, "b1"));
    assert_eq!(one, two);
    assert_eq!(server.count(), 1);
}

#[tokio::test]
async fn another_model_under_the_same_key_is_another_call() {
    let server = Server::start([reply("one"), reply("two")]).await;
    let setup = Setup::at(&server.url());
    let client = setup.client();
    ask(&client, "b1").await.result.unwrap();
    let asked = client.ask(&key("b1"), Role::Judge, &model(), &question()).await;
    assert_eq!(asked.result.unwrap().text, "two");
    assert_eq!(setup.client().spent().calls, 2, "the first stays paid");
}

#[tokio::test]
async fn a_transcript_says_what_was_asked_and_every_try() {
    let server = Server::start([failure(500, "oops"), reply("fine")]).await;
    let setup = Setup::at(&server.url());
    ask(&setup.client(), "b1").await.result.unwrap();
    let kept = setup.transcripts.json("b1");
    assert_eq!(kept["request"]["turns"][0]["text"], "What is tried next?");
    assert_eq!(kept["reply"]["text"], "fine");
    assert_eq!(kept["tries"][0]["status"], 500);
    assert_eq!(kept["tries"][0]["error"], "status 500: oops");
    assert_eq!(kept["tries"][1]["id"], "chatcmpl-1");
    assert_eq!(kept["at_ms"], 1000);
    let call: Call = serde_json::from_value(kept["call"].clone()).unwrap();
    assert_eq!(call.tokens.input, 100);
}

/// A client that repeats what the setup's transcripts hold, at an address where nobody is.
fn repeating(setup: &Setup) -> (Setup, Client) {
    let again = Setup::at("http://127.0.0.1:9/v1").with(|again| {
        again.recorded = Some(setup.transcripts.clone());
        again.environment.clear();
    });
    let client = again.client();
    (again, client)
}

#[tokio::test]
async fn a_repeated_run_gives_the_same_answers_and_errors_without_a_network() {
    let server = Server::start([reply("one"), refusal()]).await;
    let setup = Setup::at(&server.url());
    let first = setup.client();
    let (good, bad) = (ask(&first, "b1").await, ask(&first, "b2").await);
    assert!(good.result.is_ok() && bad.result.is_err());

    let (again, client) = repeating(&setup);
    client.check([&model()]).unwrap();
    assert_eq!(ask(&client, "b1").await, good);
    assert_eq!(ask(&client, "b2").await, bad);
    assert_eq!(client.spent(), first.spent());
    assert_eq!(again.transcripts.text(), setup.transcripts.text());
    assert_eq!(again.client().spent(), first.spent(), "also after a restart");
    assert_eq!(server.count(), 2);
}

#[tokio::test]
async fn a_repeated_run_asks_for_nothing_new() {
    let (_, client) = repeating(&Setup::at("http://127.0.0.1:9/v1"));
    let error = ask(&client, "b7").await.result.unwrap_err();
    assert_eq!(error, CallError::NotRecorded { key: key("b7") });
}

#[tokio::test]
async fn a_damaged_transcript_is_asked_anew() {
    let server = Server::start([reply("fine")]).await;
    let setup = Setup::at(&server.url());
    setup.transcripts.keep(&key("b1"), b"{\"call\":").unwrap();
    assert_eq!(ask(&setup.client(), "b1").await.result.unwrap().text, "fine");
}

/// Transcripts of which one is damaged.
#[derive(Debug)]
struct Damaged(Arc<Memory>);

impl Transcripts for Damaged {
    fn find(&self, at: &CallKey) -> Result<Option<Vec<u8>>, TranscriptError> {
        if *at == key("b1") {
            return Err(TranscriptError("b1.json.gz is no gzip".to_owned()));
        }
        self.0.find(at)
    }

    fn keep(&self, at: &CallKey, transcript: &[u8]) -> Result<(), TranscriptError> {
        self.0.keep(at, transcript)
    }

    fn keys(&self) -> Result<Vec<CallKey>, TranscriptError> {
        self.0.keys()
    }
}

#[tokio::test]
async fn a_damaged_transcript_is_not_counted_but_the_log_knows_what_was_spent() {
    let server = Server::start([reply("one"), reply("two")]).await;
    let setup = Setup::at(&server.url());
    let client = setup.client();
    let mut told = Spent::default();
    for at in ["b1", "b2"] {
        told += &ask(&client, at).await.call;
    }
    let mut again = setup.client_setup();
    again.transcripts = Arc::new(Damaged(setup.transcripts.clone()));
    let client = Client::new(again.clone()).unwrap();
    assert_eq!((client.spent().calls, client.spent().tokens.output), (1, 20));
    again.already_spent = told;
    assert_eq!(Client::new(again.clone()).unwrap().spent(), told);
    again.already_spent = Spent { calls: 1, ..Spent::default() };
    again.transcripts = setup.transcripts.clone();
    assert_eq!(
        Client::new(again).unwrap().spent(),
        told,
        "a log that lags behind takes nothing away"
    );
}

#[tokio::test]
async fn what_the_log_tells_counts_for_the_budget() {
    let server = Server::start([reply("fine")]).await;
    let setup = Setup::at(&server.url()).with(|setup| {
        setup.budget.usd = Some(1.0);
        setup.already_spent = Spent { usd: 0.999, ..Spent::default() };
    });
    let error = ask(&setup.client(), "b1").await.result.unwrap_err();
    assert!(matches!(error, CallError::Budget(_)), "{error}");
    assert_eq!(server.count(), 0);
}

#[derive(Debug)]
struct Full;

impl Transcripts for Full {
    fn find(&self, _: &CallKey) -> Result<Option<Vec<u8>>, TranscriptError> {
        Ok(None)
    }

    fn keep(&self, _: &CallKey, _: &[u8]) -> Result<(), TranscriptError> {
        Err(TranscriptError("the disk is full".to_owned()))
    }

    fn keys(&self) -> Result<Vec<CallKey>, TranscriptError> {
        Ok(Vec::new())
    }
}

#[tokio::test]
async fn an_answer_that_cannot_be_kept_is_not_given_but_counted() {
    let server = Server::start([reply("fine")]).await;
    let mut setup = Setup::at(&server.url()).client_setup();
    setup.transcripts = Arc::new(Full);
    let client = Client::new(setup).unwrap();
    let error = ask(&client, "b1").await.result.unwrap_err();
    assert_eq!(error.to_string(), "the transcript of b1 cannot be kept or read: the disk is full");
    assert_eq!(client.spent().tokens.output, 20);
}
