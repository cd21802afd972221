use super::*;

/// The parts that OpenAI's completions can do without.
const OPTIONAL: [&str; 3] = ["temperature", "stream_options", "logprobs"];

fn trouble(status: u16, body: &str) -> Trouble {
    of_status(status, body, None, &OPTIONAL)
}

fn refused(status: u16, body: &str) -> bool {
    matches!(trouble(status, body), Trouble::Refused { .. })
}

fn rejected(status: u16, body: &str) -> bool {
    matches!(trouble(status, body), Trouble::Rejected { .. })
}

#[test]
fn what_passes_is_tried_again_and_what_does_not_is_final() {
    for status in [408, 409, 425, 429, 500, 502, 503, 504, 529] {
        assert!(trouble(status, "").is_passing(), "{status}");
    }
    for status in [301, 401, 402, 403, 404, 405] {
        assert!(refused(status, ""), "{status}");
    }
    for status in [400, 406, 415, 422, 451] {
        assert!(rejected(status, ""), "{status}");
    }
    assert!(refused(
        429,
        r#"{"error":{"message":"You exceeded your current quota","code":"insufficient_quota"}}"#
    ));
}

#[test]
fn a_question_that_is_held_to_be_unfit_leaves_the_next_one_free() {
    for (status, body) in [
        (
            400,
            r#"{"error":{"message":"Invalid prompt: your prompt was flagged as potentially violating our usage policy.","code":"invalid_prompt"}}"#,
        ),
        (400, r#"{"error":{"code":"content_filter","message":"The response was filtered"}}"#),
        (
            403,
            r#"{"error":{"code":403,"message":"Your chosen model requires moderation and your input was flagged"}}"#,
        ),
        (403, r#"{"error":"Content violates usage guidelines."}"#),
        (422, r#"{"detail":"Input should be a valid string"}"#),
    ] {
        assert!(rejected(status, body), "{body}");
    }
    assert!(matches!(trouble(413, "Request Entity Too Large"), Trouble::Window { .. }));
}

#[test]
fn providers_that_call_a_wrong_key_or_an_empty_account_a_bad_question_are_understood() {
    for (status, body) in [
        (
            400,
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low to access the Anthropic API."}}"#,
        ),
        (
            400,
            r#"{"error":{"code":400,"message":"API key not valid.","status":"INVALID_ARGUMENT","details":[{"reason":"API_KEY_INVALID"}]}}"#,
        ),
        (400, r#"{"error":{"message":"gpt-55 is not a valid model ID","code":400}}"#),
        (403, r#"{"error":{"message":"Your team has no credits left."}}"#),
    ] {
        assert!(refused(status, body), "{body}");
    }
}

#[test]
fn an_error_in_an_answer_with_success_is_told_apart_as_well() {
    let error =
        |kind: &str| of_error(&serde_json::json!({"error": {"type": kind, "message": "no"}}));
    for kind in
        ["authentication_error", "permission_error", "not_found_error", "insufficient_quota"]
    {
        assert!(matches!(error(kind), Trouble::Refused { .. }), "{kind}");
    }
    for kind in ["invalid_request_error", "invalid_prompt"] {
        assert!(matches!(error(kind), Trouble::Rejected { .. }), "{kind}");
    }
    assert!(error("overloaded_error").is_passing());
}

#[test]
fn servers_say_in_many_ways_that_a_prompt_is_too_long() {
    let both = (Some(9000), Some(4096));
    for (status, body, expected) in [
        (
            400,
            r#"{"error":{"message":"This model's maximum context length is 4096 tokens. However, your messages resulted in 9000 tokens.","code":"context_length_exceeded"}}"#,
            both,
        ),
        (
            400,
            r#"{"error":{"code":400,"message":"the request exceeds the available context size, try increasing it","type":"exceed_context_size_error","n_prompt_tokens":9000,"n_ctx":4096}}"#,
            both,
        ),
        (
            400,
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 9000 tokens > 4096 maximum"}}"#,
            both,
        ),
        (
            400,
            r#"{"error":{"code":400,"message":"The input token count (9000) exceeds the maximum number of tokens allowed (4096).","status":"INVALID_ARGUMENT"}}"#,
            both,
        ),
        (
            400,
            r#"{"object":"error","message":"The decoder prompt (length 9000) is longer than the maximum model length of 4096.","code":400}"#,
            both,
        ),
        (
            400,
            r#"{"error":{"message":"Your input exceeds the context window of this model."}}"#,
            (None, None),
        ),
        (413, "Request Entity Too Large", (None, None)),
    ] {
        match trouble(status, body) {
            Trouble::Window { needs, limit, .. } => {
                assert_eq!((needs, limit), expected, "{body}")
            }
            other => panic!("{body}: {other:?}"),
        }
    }
}

#[test]
fn a_part_that_a_model_does_not_take_is_named() {
    let body = r#"{"error":{"message":"Unsupported value: 'temperature' does not support 0.2 with this model.","type":"invalid_request_error","param":"temperature","code":"unsupported_value"}}"#;
    assert!(matches!(trouble(400, body), Trouble::Parameter { name, .. } if name == "temperature"));
    let body = r#"{"error":{"message":"Unrecognized request argument supplied: stream_options"}}"#;
    assert!(
        matches!(trouble(400, body), Trouble::Parameter { name, .. } if name == "stream_options")
    );
    assert!(rejected(400, r#"{"error":{"message":"Invalid messages","param":"messages"}}"#));
    let body = r#"{"error":{"message":"Unsupported parameter: 'seed'","param":"seed"}}"#;
    assert!(rejected(400, body), "it is not sent, so it cannot be left out");
}

#[test]
fn a_pause_is_given_in_seconds_in_milliseconds_or_as_a_date() {
    let seconds = |n| Some(Duration::from_secs(n));
    assert_eq!(pause(None, Some("7"), 0), seconds(7));
    assert_eq!(pause(Some("2500"), Some("7"), 0), Some(Duration::from_millis(2500)));
    let date = Some("Thu, 01 Jan 1970 00:01:00 GMT");
    assert_eq!(pause(None, date, 45_000), seconds(15));
    assert_eq!(pause(None, date, 90_000), seconds(0));
    assert_eq!(pause(None, Some("86400"), 0), seconds(120));
    for nonsense in ["soon", "-1", "NaN", "inf", ""] {
        assert_eq!(pause(None, Some(nonsense), 0), None, "{nonsense:?}");
    }
}

#[test]
fn a_pause_may_stand_in_the_body() {
    let body = r#"{"error":{"code":429,"message":"Quota","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"34.5s"}]}}"#;
    let Trouble::Unavailable { pause, .. } = trouble(429, body) else { panic!() };
    assert_eq!(pause, Some(Duration::from_millis(34_500)));
}

#[test]
fn words_are_kept_short_and_on_one_line() {
    let Trouble::Rejected { words } = trouble(400, &"<p>\n".repeat(1000)) else { panic!() };
    assert!(words.chars().count() <= WORDS + 1 && !words.contains('\n'));
}
