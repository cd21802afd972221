//! The limits of a provider.

use std::time::{Duration, Instant};

use futures_util::future::join_all;

use crate::misbehaving::*;
use crate::support::*;

#[tokio::test]
async fn no_more_calls_are_open_than_the_provider_bears() {
    let late = Act::Late(Duration::from_millis(50), Box::new(reply("fine")));
    let server = Server::start([late]).await;
    let setup = Setup::at(&server.url()).with(|setup| setup.provider.concurrency = 3);
    let client = setup.client();
    let calls = (0..12).map(|n| {
        let client = client.clone();
        async move { ask(&client, &format!("b{n}")).await.result.unwrap() }
    });
    join_all(calls).await;
    assert_eq!((server.count(), server.most_at_once()), (12, 3));
}

#[tokio::test]
async fn a_pause_holds_the_calls_of_others_too() {
    let server = Server::start([too_many(Some("1.5")), reply("fine")]).await;
    let client = Setup::at(&server.url()).client();
    let since = Instant::now();
    let first = ask(&client, "b1");
    let second = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(server.count(), 1);
        ask(&client, "b2").await
    };
    let (one, two) = tokio::join!(first, second);
    assert!(one.result.is_ok() && two.result.is_ok());
    assert!(since.elapsed() >= Duration::from_millis(1500));
    assert!(two.call.latency_ms >= 1000, "{}", two.call.latency_ms);
}

#[tokio::test]
async fn calls_a_minute_are_kept() {
    let server = Server::start([reply("fine")]).await;
    let setup = Setup::at(&server.url()).with(|setup| setup.provider.requests_per_minute = Some(2));
    let client = setup.client();
    for n in 0..2 {
        ask(&client, &format!("b{n}")).await.result.unwrap();
    }
    let third = tokio::time::timeout(Duration::from_secs(1), ask(&client, "b3")).await;
    assert!(third.is_err(), "the third call of the minute went");
    assert_eq!(server.count(), 2);
}
