//! What the tests of calls stand on: a service in memory, a clock that stands still, a credential
//! that does as it is told.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::Shared;
use crate::auth::{AccessToken, Credential, TokenCache, TokenRequest};
use crate::client::Client;
use crate::clock::Clock;
use crate::cloud::Cloud;
use crate::error::Error;
use crate::http::memory::{Memory, Service};
use crate::http::{Http, Proxy, Settings};
use crate::rate_limit::{Api, RateLimiter, RateLimits};
use crate::retry::RetryPolicy;
use crate::testing::FakeClock;
use crate::wait::Deadline;

/// What a client without settings has.
pub(crate) fn settings() -> Settings {
    Settings {
        user_agent: "test".to_owned(),
        connect_timeout: Duration::from_secs(10),
        read_timeout: Duration::from_secs(60),
        try_timeout: Duration::from_secs(300),
        body_limit: 64 * 1024 * 1024,
        proxy: Proxy::None,
        #[cfg(any(feature = "rustls", feature = "native-tls"))]
        tls: crate::http::Tls::default(),
    }
}

/// A client's insides, and all that is around them.
#[derive(Debug)]
pub(crate) struct Rig {
    pub(crate) clock: FakeClock,
    pub(crate) memory: Memory,
    pub(crate) tokens: Arc<Tokens>,
    pub(crate) shared: Arc<Shared>,
}

impl Rig {
    /// A client of this service, with the settings that a client has by itself.
    pub(crate) fn new(service: impl Service + 'static) -> Self {
        Self::with_clock(FakeClock::new(), service)
    }

    /// The same with a clock that the service knows too.
    pub(crate) fn with_clock(clock: FakeClock, service: impl Service + 'static) -> Self {
        let memory = Memory::new(service);
        let tokens = Arc::new(Tokens::new(clock.clone()));
        let credential: Arc<dyn Credential> = Arc::clone(&tokens) as _;
        let time: Arc<dyn Clock> = Arc::new(clock.clone());
        let cloud = Cloud::default();
        let shared = Shared {
            origin: cloud.api_origin().unwrap(),
            cloud,
            http: Http::in_memory(&settings(), &memory).unwrap(),
            tokens: TokenCache::new(credential, Arc::clone(&time)),
            limiter: RateLimiter::with_clock(RateLimits::default(), &time).unwrap(),
            clock: time,
            max_wait: Duration::from_secs(300),
            deadline: None,
            retry_policy: RetryPolicy::default(),
            observer: None,
        };
        Self {
            clock,
            memory,
            tokens,
            shared: Arc::new(shared),
        }
    }

    /// For other settings, before the first call.
    pub(crate) fn set(&mut self) -> &mut Shared {
        Arc::get_mut(&mut self.shared).expect("nobody else holds it yet")
    }

    /// Other limits than the documented ones, with nothing spent.
    pub(crate) fn set_limits(&mut self, limits: RateLimits) {
        let clock = Arc::clone(&self.shared.clock);
        self.set().limiter = RateLimiter::with_clock(limits, &clock).unwrap();
    }

    /// Another transport to the same service.
    pub(crate) fn set_http(&mut self, settings: &Settings) {
        self.set().http = Http::in_memory(settings, &self.memory.clone()).unwrap();
    }

    /// All of it as a user has it.
    pub(crate) fn client(&self) -> Client {
        Client::of(Arc::clone(&self.shared))
    }

    /// What the credential is asked with.
    pub(crate) fn token_request(&self) -> TokenRequest<'_> {
        let never = Deadline::after(None, &self.clock);
        self.shared.token_request(never, Api::Machines)
    }
}

/// A credential that gives what it was told to, and then `token-1`, `token-2` and so on by the
/// number of the request, without an expiry.
#[derive(Debug)]
pub(crate) struct Tokens {
    clock: FakeClock,
    answers: Mutex<VecDeque<(Duration, Result<AccessToken, Error>)>>,
    asked: Mutex<Vec<Option<Duration>>>,
}

impl Tokens {
    fn new(clock: FakeClock) -> Self {
        Self {
            clock,
            answers: Mutex::default(),
            asked: Mutex::default(),
        }
    }

    /// What it gives next, after what it was told before.
    pub(crate) fn next(&self, answer: Result<AccessToken, Error>) {
        self.next_after(Duration::ZERO, answer);
    }

    /// The same, and how long it takes for it.
    pub(crate) fn next_after(&self, time: Duration, answer: Result<AccessToken, Error>) {
        self.answers.lock().unwrap().push_back((time, answer));
    }

    /// How often it was asked.
    pub(crate) fn asked(&self) -> usize {
        self.times_left().len()
    }

    /// The time that was left whenever it was asked.
    pub(crate) fn times_left(&self) -> Vec<Option<Duration>> {
        self.asked.lock().unwrap().clone()
    }
}

impl Credential for Tokens {
    fn token(&self, request: &TokenRequest<'_>) -> Result<AccessToken, Error> {
        let mut asked = self.asked.lock().unwrap();
        asked.push(request.time_left());
        match self.answers.lock().unwrap().pop_front() {
            Some((time, answer)) => {
                self.clock.advance(time);
                answer
            }
            None => Ok(AccessToken::new(format!("token-{}", asked.len()))),
        }
    }
}
