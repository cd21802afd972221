//! The embedded templates, in strict mode: a value that a template names and that is not given is an error.

use std::sync::LazyLock;

use handlebars::{
    Context, Handlebars, Helper, HelperResult, JsonTruthy, Output, RenderContext,
    RenderErrorReason, Renderable, no_escape,
};
use include_dir::{Dir, include_dir};
use serde::Serialize;

use super::PromptError;

static FILES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/prompts");

static TEMPLATES: LazyLock<Result<Handlebars<'static>, PromptError>> = LazyLock::new(|| {
    let mut handlebars = Handlebars::new();
    handlebars.set_strict_mode(true);
    handlebars.register_escape_fn(no_escape);
    handlebars.register_helper("if", Box::new(strict_if));
    for file in FILES.files() {
        let path = file.path();
        let Some(name) = path.file_stem().and_then(|name| name.to_str()) else { continue };
        let text = file.contents_utf8().unwrap_or_default();
        handlebars
            .register_template_string(name, text)
            .map_err(|error| failed(name, error.reason().to_string()))?;
    }
    Ok(handlebars)
});

/// The template with its values, without white space at its end.
pub(super) fn render(name: &str, values: &impl Serialize) -> Result<String, PromptError> {
    let templates = TEMPLATES.as_ref().map_err(Clone::clone)?;
    let text = templates.render(name, values).map_err(|error| failed(name, error.to_string()))?;
    Ok(text.trim_end().to_owned())
}

/// `#if` that refuses a value that is not given; handlebars' own takes it for false, in strict mode too.
fn strict_if<'reg, 'rc>(
    helper: &Helper<'rc>,
    templates: &'reg Handlebars<'reg>,
    context: &'rc Context,
    rendering: &mut RenderContext<'reg, 'rc>,
    out: &mut dyn Output,
) -> HelperResult {
    let given = helper.param(0).filter(|value| !value.is_value_missing());
    let value = given.ok_or_else(|| {
        let name = helper.param(0).and_then(|value| value.relative_path());
        RenderErrorReason::MissingVariable(name.cloned())
    })?;
    let part = if value.value().is_truthy(false) { helper.template() } else { helper.inverse() };
    part.map_or(Ok(()), |part| part.render(templates, context, rendering, out))
}

fn failed(template: &str, reason: String) -> PromptError {
    PromptError::Template { template: template.to_owned(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_is_read_and_refuses_a_missing_value() {
        // One that loops over what it is given has to be given something.
        let nothing = serde_json::json!({ "other": {} });
        for file in FILES.files() {
            let name = file.path().file_stem().unwrap().to_str().unwrap();
            let text = file.contents_utf8().unwrap();
            // Those without values of their own are parts of others.
            if text.contains("{{") {
                let refused = render(name, &nothing);
                assert!(matches!(refused, Err(PromptError::Template { .. })), "{name} was written");
            }
        }
    }

    #[test]
    fn a_condition_on_a_value_that_is_not_given_is_an_error() {
        let mut templates = TEMPLATES.as_ref().unwrap().clone();
        templates.register_template_string("one", "a{{#if b}}c{{else}}d{{/if}}").unwrap();
        let rendered = |values| templates.render("one", &values).ok();
        assert_eq!(rendered(serde_json::json!({"b": true})).as_deref(), Some("ac"));
        assert_eq!(rendered(serde_json::json!({"b": null})).as_deref(), Some("ad"));
        assert_eq!(rendered(serde_json::json!({})), None);
    }

    #[test]
    fn a_template_that_is_not_there_is_an_error() {
        assert!(render("no-such-template", &()).is_err());
    }
}
