//! Keys, addresses and what is known of models.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use autores_ideators::llm::{CallError, Client};
use serde_json::json;

use crate::misbehaving::*;
use crate::support::*;

#[tokio::test]
async fn a_missing_key_is_told_before_anything_is_sent() {
    let server = Server::start([reply("fine")]).await;
    let setup = Setup::at(&server.url()).with(|setup| setup.environment.clear());
    let client = setup.client();
    assert_eq!(
        client.check([&model()]).unwrap_err().to_string(),
        "provider test has no key; set TEST_KEY"
    );
    assert!(matches!(ask(&client, "b1").await.result, Err(CallError::Refused { .. })));
    assert_eq!(server.count(), 0);
}

#[tokio::test]
async fn a_server_without_keys_needs_none() {
    let server = Server::start([reply("fine")]).await;
    let setup = Setup::at(&server.url()).with(|setup| {
        setup.environment.clear();
        setup.provider.needs_key = false;
    });
    ask(&setup.client(), "b1").await.result.unwrap();
    assert!(!server.heard()[0].head.contains("authorization"));
}

#[tokio::test]
async fn a_key_file_that_others_can_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    fs::write(&file, format!("{KEY}\n")).unwrap();
    let mode = |mode| fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
    let server = Server::start([reply("fine")]).await;
    let setup = Setup::at(&server.url()).with(|setup| {
        setup.environment.clear();
        setup.provider.key_file = Some(file.clone());
    });
    mode(0o644);
    let error = setup.client().check([&model()]).unwrap_err().to_string();
    let shown = file.display();
    assert_eq!(
        error,
        format!("key file {shown} has mode 0644, so others can read it; run: chmod 600 {shown}")
    );
    mode(0o600);
    ask(&setup.client(), "b1").await.result.unwrap();
    assert!(server.heard()[0].head.contains(KEY));
}

#[tokio::test]
async fn the_variable_comes_before_the_address_of_the_settings() {
    let server = Server::start([reply("fine")]).await;
    let setup = Setup::at("http://127.0.0.1:9/v1").with(|setup| {
        setup.provider.base_url_variable = Some("TEST_URL".to_owned());
        setup.environment.insert("TEST_URL".to_owned(), format!("{}/", server.url()));
    });
    ask(&setup.client(), "b1").await.result.unwrap();
    assert_eq!(server.heard()[0].path, "/v1/chat/completions");
}

#[test]
fn an_address_that_is_none_is_named_with_its_place() {
    let setup = Setup::at("localhost:8080");
    let error = Client::new(setup.client_setup()).err().unwrap().to_string();
    assert_eq!(
        error,
        "provider test has the address \"localhost:8080\", which is no http or https URL; correct base_url of provider test"
    );
}

#[test]
fn an_address_with_a_secret_in_it_is_refused_and_not_shown() {
    for (address, shown) in [
        ("https://sk-secret@host/v1", "https://…@host/v1"),
        ("https://me:sk-secret@host/v1", "https://…@host/v1"),
        ("https://host/v1?key=sk-secret", "https://host/v1?…"),
        ("https://host/v1#sk-secret", "https://host/v1#…"),
    ] {
        let setup = Setup::at(address);
        let error = Client::new(setup.client_setup()).err().unwrap().to_string();
        assert_eq!(
            error,
            format!(
                "provider test has the address {shown:?}, and an address is shown in errors, so nothing may stand \
                 before its host or behind its path; set TEST_KEY, and correct base_url of provider test"
            )
        );
    }
    let error = Client::new(Setup::at("sk-secret@host").client_setup()).err().unwrap().to_string();
    assert!(error.contains("…@host") && !error.contains("secret"), "{error}");
    assert!(Client::new(Setup::at("https://host/@scope/v1").client_setup()).is_ok());
}

#[tokio::test]
async fn a_model_of_an_unknown_provider_is_named() {
    let client = Setup::at("http://127.0.0.1:9/v1").client();
    let other = "tset/m".parse().unwrap();
    assert_eq!(
        client.check([&other]).unwrap_err().to_string(),
        "model tset/m is of no known provider; known are test"
    );
}

#[tokio::test]
async fn what_a_model_takes_is_asked_of_its_provider_once() {
    let list = json!({"object": "list", "data": [{"id": "m", "max_model_len": 4096}]});
    let headers = vec![("content-type", "application/json".to_owned())];
    let list = Act::Answer { status: 200, headers, body: list.to_string().into_bytes() };
    let server = Server::start([list, reply("fine")]).await;
    let setup = Setup::at(&server.url()).with(|setup| {
        setup.model.context = None;
        setup.model.max_output = None;
    });
    let client = setup.client();
    assert_eq!(client.model(&model()).await.context, Some(4096));
    ask(&client, "b1").await.result.unwrap();
    assert_eq!(client.model(&model()).await.context, Some(4096));
    let heard = server.heard();
    assert_eq!((heard.len(), heard[0].path.as_str()), (2, "/v1/models"));
    let room = heard[1].body["max_tokens"].as_u64().unwrap();
    assert!((3500..4096).contains(&room), "{room}: the reply does not fit behind the prompt");
}

#[tokio::test]
async fn what_nobody_says_is_assumed_with_caution() {
    let server = Server::start([failure(404, "no such page")]).await;
    let setup = Setup::at(&server.url()).with(|setup| setup.model = Default::default());
    let known = setup.client().model(&model()).await;
    assert_eq!((known.context, known.max_output), (Some(32_768), Some(8_192)));
}

#[tokio::test]
async fn tokens_per_byte_follow_what_was_counted_also_after_a_restart() {
    let server = Server::start([reply_of(1000, 10)]).await;
    let setup = Setup::at(&server.url());
    let client = setup.client();
    let before = client.tokens_per_byte(&model());
    let request = autores_ideators::llm::Request::new("", "x".repeat(4000));
    client.ask(&key("b1"), autores_domain::Role::Ideator, &model(), &request).await.result.unwrap();
    assert!(before > 0.3);
    assert_eq!(client.tokens_per_byte(&model()), 0.25);
    assert_eq!(setup.client().tokens_per_byte(&model()), 0.25);
}

#[tokio::test]
async fn a_ping_is_one_token_and_leaves_no_transcript() {
    let server = Server::start([reply_of(9, 1)]).await;
    let setup = Setup::at(&server.url());
    let client = setup.client();
    let ping = client.ping(&model()).await.unwrap();
    assert_eq!((ping.tokens.input, ping.tokens.output), (9, 1));
    assert_eq!(ping.price, setup.model.price);
    assert_eq!(server.heard()[0].body["max_tokens"], 1);
    assert_eq!(setup.transcripts.text(), "");
    let silent = Setup::at("http://127.0.0.1:9/v1").client();
    assert!(matches!(silent.ping(&model()).await, Err(CallError::Unavailable { tries: 1, .. })));
}
