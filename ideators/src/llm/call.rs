//! One call with all its tries: held to the budget, to the provider's pace and to the model's window.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::time::Duration;

use autores_domain::{Call, CallKey, ModelName, Role, Tokens};
use autores_templates::settings::Price;
use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use tokio::time::{Instant, sleep};

use super::CallError;
use super::caller::Caller;
use super::client::Inner;
use super::exchange::{Came, exchange};
use super::meter::{Cost, Reservation};
use super::plan::Plan;
use super::provider::{Gathered, Protocol};
use super::request::{Asked, Ping, Request};
use super::transcript::Try;
use super::trouble::Trouble;

const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// How the answer is read.
pub(crate) struct Form<A> {
    /// `None` takes the provider's own.
    pub(crate) protocol: Option<&'static dyn Protocol>,
    pub(crate) answer: fn(Gathered, Tokens, &Request) -> Result<A, Trouble>,
}

/// Who asks whom.
#[derive(Clone, Copy)]
pub(crate) struct Ask<'a> {
    pub(crate) key: &'a CallKey,
    /// How often the same was asked before.
    pub(crate) round: u32,
    pub(crate) role: Role,
    pub(crate) model: &'a ModelName,
}

impl Ask<'_> {
    /// Whether the call was made for it.
    pub(crate) fn is_for(self, call: &Call) -> bool {
        call.role == self.role && call.model == *self.model
    }

    fn call(
        self,
        tokens: Tokens,
        usd: Option<f64>,
        latency_ms: u64,
        error: Option<String>,
    ) -> Call {
        Call {
            key: self.key.clone(),
            round: self.round,
            role: self.role,
            model: self.model.clone(),
            tokens,
            usd,
            latency_ms,
            error,
        }
    }
}

/// A call that is over.
pub(crate) struct Made<A> {
    pub(crate) call: Call,
    pub(crate) result: Result<A, CallError>,
    pub(crate) tries: Vec<Try>,
    reservation: Option<Reservation>,
}

impl<A> Made<A> {
    /// A call for which nothing was sent.
    pub(crate) fn nothing(ask: Ask<'_>, error: CallError) -> Self {
        let call = ask.call(Tokens::default(), None, 0, Some(error.to_string()));
        Self { call, result: Err(error), tries: Vec::new(), reservation: None }
    }

    /// Books what it cost, and gives the answer.
    pub(crate) fn asked(self) -> Asked<A> {
        if let Some(reservation) = self.reservation.filter(|_| !self.tries.is_empty()) {
            reservation.settle(&self.call);
        }
        Asked { call: self.call, result: self.result }
    }
}

impl Inner {
    /// Makes the call.
    pub(crate) async fn make<A>(
        &self,
        ask: Ask<'_>,
        request: &Request,
        form: &Form<A>,
        caller: &Caller,
    ) -> Made<A> {
        let (plan, reservation) = match caller.unless_over(self.enter(ask, request, form)).await {
            Ok(Ok(entered)) => entered,
            Ok(Err(error)) => return Made::nothing(ask, error),
            Err(over) => return Made::nothing(ask, over.error(ask.model, 0)),
        };
        let start = Instant::now();
        let mut tries = Vec::new();
        let mut waits = waits(self.seed ^ number(ask.key));
        let result = self.tries(&plan, form, &reservation, caller, &mut waits, &mut tries).await;
        let mut tokens = Tokens::default();
        tries.iter().for_each(|one| tokens += one.tokens);
        let usd = plan.known.price.map(|price| price.of(tokens));
        let error = result.as_ref().err().map(ToString::to_string);
        let call = ask.call(tokens, usd, millis(start), error);
        Made { call, result, tries, reservation: Some(reservation) }
    }

    async fn enter<'a, A>(
        &'a self,
        ask: Ask<'a>,
        request: &'a Request,
        form: &Form<A>,
    ) -> Result<(Plan<'a>, Reservation), CallError> {
        let plan = self.plan(ask.model, request, form.protocol).await?;
        let kind = (ask.role, ask.model.clone());
        let entered = self.meter.enter(&kind, plan.forecast()).await;
        Ok((plan, entered.map_err(CallError::Budget)?))
    }

    async fn tries<A>(
        &self,
        plan: &Plan<'_>,
        form: &Form<A>,
        reservation: &Reservation,
        caller: &Caller,
        waits: &mut ExponentialBackoff,
        tries: &mut Vec<Try>,
    ) -> Result<A, CallError> {
        let mut left = plan.lane.settings.tries.max(1);
        loop {
            let trouble = match self.once(plan, form, Some(reservation), caller, tries).await {
                Ok(answer) => return Ok(answer),
                Err(trouble) => trouble,
            };
            if matches!(trouble, Trouble::Parameter { .. }) {
                continue;
            }
            if let Trouble::Unavailable { pause: Some(pause), .. } = &trouble {
                plan.lane.pace.hold(*pause);
            }
            left -= 1;
            if left == 0 || !trouble.is_passing() {
                return Err(plan.error(trouble, tries));
            }
            if let Some(last) = tries.last() {
                reservation.pay(Cost::of(
                    last.tokens,
                    plan.known.price.map(|price| price.of(last.tokens)),
                ));
            }
            let next = async {
                sleep(waits.next().unwrap_or(LONGEST_WAIT)).await;
                reservation.again().await
            };
            match caller.unless_over(next).await {
                Ok(may_go) => may_go.map_err(CallError::Budget)?,
                Err(over) => return Err(plan.error(over.into(), tries)),
            }
        }
    }

    /// One try. A part of the question that the model does not take is left out of the next.
    async fn once<A>(
        &self,
        plan: &Plan<'_>,
        form: &Form<A>,
        reservation: Option<&Reservation>,
        caller: &Caller,
        tries: &mut Vec<Try>,
    ) -> Result<A, Trouble> {
        let likely = plan.forecast().likely;
        let admitted = caller.unless_over(plan.lane.pace.admit(likely.tokens)).await?;
        if let Some(reservation) = reservation {
            reservation.send(likely);
        }
        let start = Instant::now();
        let mut came = Came::default();
        let without = plan.lane.learnt(plan.model).without;
        let post = plan.protocol.post(&plan.question(&without));
        let result = exchange(plan.lane, plan.protocol, &post, (self.now_ms)(), &mut came).await;
        let (tokens, estimated) = plan.count(&came, &result);
        if let Some(usage) = came.gathered.usage.filter(|_| result.is_ok()) {
            self.measure.record(plan.model, plan.request.bytes(), usage.input);
        }
        plan.lane.pace.correct(admitted, tokens.input + tokens.output);
        let (status, id) = (came.status, came.gathered.id.clone());
        let result = match result {
            Ok(()) => (form.answer)(came.gathered, tokens, plan.request),
            // It was left out already, whatever the provider says.
            Err(Trouble::Parameter { name, words }) if without.contains(name) => {
                Err(Trouble::Rejected { words })
            }
            Err(Trouble::Parameter { name, words }) => {
                plan.leave_out(name);
                Err(Trouble::Parameter { name, words })
            }
            Err(trouble) => Err(trouble),
        };
        let error = result.as_ref().err().map(|trouble| trouble.words().to_owned());
        let latency_ms = millis(start);
        tracing::debug!(model = %plan.model, status, latency_ms, error, "a model was asked");
        tries.push(Try { status, error, latency_ms, tokens, estimated, id });
        result
    }

    pub(crate) fn price(&self, model: &ModelName) -> Option<Price> {
        self.settings.models.get(model).and_then(|known| known.price)
    }

    /// One token, once.
    pub(crate) async fn ping(&self, model: &ModelName) -> Result<Ping, CallError> {
        let request = Request { max_output: Some(1), ..Request::new("", "Say: ok") };
        let mut plan = self.plan(model, &request, None).await?;
        plan.known.effort = None;
        let form = Form { protocol: None, answer: |_, tokens, _| Ok(tokens) };
        let mut tries = Vec::new();
        let (_waiting, caller) = self.stop.caller();
        loop {
            let start = Instant::now();
            match self.once(&plan, &form, None, &caller, &mut tries).await {
                Ok(tokens) => {
                    return Ok(Ping { latency_ms: millis(start), tokens, price: plan.known.price });
                }
                Err(Trouble::Parameter { .. }) => {}
                Err(trouble) => return Err(plan.error(trouble, &tries)),
            }
        }
    }
}

fn waits(seed: u64) -> ExponentialBackoff {
    ExponentialBuilder::default()
        .with_min_delay(FIRST_WAIT)
        .with_max_delay(LONGEST_WAIT)
        .with_jitter()
        .with_jitter_seed(seed)
        .without_max_times()
        .build()
}

fn millis(since: Instant) -> u64 {
    since.elapsed().as_millis() as u64
}

fn number(key: &CallKey) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.as_str().hash(&mut hasher);
    hasher.finish()
}
