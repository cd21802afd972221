//! The way to one provider: its address, key, limits and connections.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use autores_domain::ModelName;
use autores_templates::settings::Provider;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client as Http, Url};

use super::SetupError;
use super::key::{self, Key};
use super::pace::Pace;
use super::provider::{Limits, Protocol, protocol};

/// A connection that is not there after this time is tried anew.
const CONNECT: Duration = Duration::from_secs(20);

/// The way to one provider.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(crate) name: String,
    pub(crate) settings: Provider,
    pub(crate) base_url: String,
    pub(crate) pace: Pace,
    key: Result<Option<Key>, String>,
    http: Result<Http, String>,
    /// What was found out about its models.
    learnt: Mutex<BTreeMap<ModelName, Learnt>>,
    /// Held by the call that asks for limits.
    pub(crate) looking_up: tokio::sync::Mutex<()>,
}

/// What was found out about a model by asking it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Learnt {
    pub(crate) limits: Limits,
    /// Whether its limits were asked for.
    pub(crate) asked: bool,
    /// Parts of a question that it refused.
    pub(crate) without: BTreeSet<&'static str>,
}

impl Lane {
    /// Finds address and key. What is missing is an error when the provider is first needed, not before.
    pub(crate) fn new(
        name: &str,
        settings: &Provider,
        environment: &dyn Fn(&str) -> Option<String>,
        connections: &mut Connections,
    ) -> Result<Self, SetupError> {
        let variable = settings.base_url_variable.as_ref();
        let from_variable = variable.and_then(|name| {
            environment(name)
                .filter(|value| !value.trim().is_empty())
                .map(|value| (value, name.clone()))
        });
        // A server of one's own asks for no key; one that does says so itself.
        let needs_key = settings.needs_key && from_variable.is_none();
        let settings = &Provider { needs_key, ..settings.clone() };
        let (address, place) = from_variable
            .unwrap_or_else(|| (settings.base_url.clone(), format!("base_url of provider {name}")));
        let base_url = address.trim().trim_end_matches('/').to_owned();
        let url = Url::parse(&base_url)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let (provider, shown) = (name.to_owned(), without_secrets(&base_url));
        let Some(url) = url else {
            return Err(SetupError::Address { provider, address: shown, place });
        };
        let is_plain = url.username().is_empty() && url.password().is_none();
        // An address is shown in errors, so it holds nothing that nobody may see.
        if !is_plain || url.query().is_some() || url.fragment().is_some() {
            let remedy = key::remedy(settings, name);
            return Err(SetupError::Secret { provider, address: shown, place, remedy });
        }
        Ok(Self {
            name: name.to_owned(),
            pace: Pace::new(
                settings.concurrency,
                settings.requests_per_minute,
                settings.tokens_per_minute,
            ),
            key: key::find(settings, name, environment),
            http: connections.to(&url),
            settings: settings.clone(),
            base_url,
            learnt: Mutex::default(),
            looking_up: tokio::sync::Mutex::default(),
        })
    }

    pub(crate) fn protocol(&self) -> &'static dyn Protocol {
        protocol(self.settings.api)
    }

    /// Whether it can be asked.
    pub(crate) fn check(&self) -> Result<(), SetupError> {
        self.key.as_ref().map_err(|words| SetupError::Key(words.clone()))?;
        self.http.as_ref().map_err(|words| SetupError::Tls(words.clone()))?;
        Ok(())
    }

    pub(crate) fn http(&self) -> Result<&Http, String> {
        self.http.as_ref().map_err(Clone::clone)
    }

    /// The headers of a question.
    pub(crate) fn headers(&self, protocol: &dyn Protocol) -> Result<HeaderMap, String> {
        let mut headers = HeaderMap::new();
        for (name, value) in protocol.headers() {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        if let Some(key) = self.key.as_ref().map_err(Clone::clone)? {
            let (name, value) = protocol.key_header(key.secret());
            let mut value = HeaderValue::try_from(value)
                .map_err(|_| "the key is no header value".to_owned())?;
            value.set_sensitive(true);
            headers.insert(HeaderName::from_static(name), value);
        }
        Ok(headers)
    }

    /// The text without the key.
    pub(crate) fn scrub<'a>(&self, text: &'a str) -> Cow<'a, str> {
        match &self.key {
            Ok(Some(key)) => key.scrub(text),
            Ok(None) | Err(_) => text.into(),
        }
    }

    /// What to do about a refusal with this status.
    pub(crate) fn remedy(&self, status: Option<u16>) -> String {
        match status {
            Some(401 | 403) => key::remedy(&self.settings, &self.name),
            Some(402 | 429) => format!("add credit at provider {}", self.name),
            Some(300..=399 | 404 | 405) => {
                let variable = self.settings.base_url_variable.as_ref();
                let or = variable.map(|name| format!(" or {name}")).unwrap_or_default();
                format!("check the model's name and the address {} (base_url{or})", self.base_url)
            }
            Some(_) | None => String::new(),
        }
    }

    pub(crate) fn learnt(&self, model: &ModelName) -> Learnt {
        self.notes().get(model).cloned().unwrap_or_default()
    }

    pub(crate) fn learn(&self, model: &ModelName, change: impl FnOnce(&mut Learnt)) {
        change(self.notes().entry(model.clone()).or_default());
    }

    fn notes(&self) -> MutexGuard<'_, BTreeMap<ModelName, Learnt>> {
        self.learnt.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Clients that share their connections; each is made when a provider needs it.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    own_machine: Option<Result<Http, String>>,
    plain: Option<Result<Http, String>>,
    encrypted: Option<Result<Http, String>>,
}

impl Connections {
    fn to(&mut self, url: &Url) -> Result<Http, String> {
        let encrypted = url.scheme() == "https";
        let builder = || {
            Http::builder()
                .user_agent(concat!("autores/", env!("CARGO_PKG_VERSION")))
                .connect_timeout(CONNECT)
                // A key is for the host it was given for.
                .redirect(Policy::none())
        };
        let build =
            |builder: reqwest::ClientBuilder| builder.build().map_err(|error| chain(&error));
        let place = if encrypted {
            &mut self.encrypted
        } else if is_own_machine(url) {
            &mut self.own_machine
        } else {
            &mut self.plain
        };
        place
            .get_or_insert_with(|| {
                // Fails if there is a provider already, which serves as well.
                let _ = rustls::crypto::ring::default_provider().install_default();
                if encrypted {
                    build(builder())
                } else if is_own_machine(url) {
                    build(builder().tls_certs_only([]).no_proxy())
                } else {
                    // Without encryption, a machine without CA certificates will do.
                    build(builder().tls_certs_only([]))
                }
            })
            .clone()
    }
}

/// An error with its causes.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !words.contains(&said) {
            words = format!("{words}: {said}");
        }
        cause = error.source();
    }
    words
}

fn is_own_machine(url: &Url) -> bool {
    let host = url.host_str().unwrap_or("").trim_matches(['[', ']']);
    host == "localhost" || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
}

/// The address without its user, its password and what follows a `?` or `#`.
fn without_secrets(address: &str) -> String {
    let (scheme, rest) = match address.split_once("://") {
        Some((scheme, rest)) => (format!("{scheme}://"), rest),
        None => (String::new(), address),
    };
    let (rest, asked) = match rest.find(['?', '#']) {
        Some(end) => (&rest[..end], format!("{}…", &rest[end..=end])),
        None => (rest, String::new()),
    };
    match rest.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}…@{host}{asked}"),
        None => format!("{scheme}{rest}{asked}"),
    }
}
