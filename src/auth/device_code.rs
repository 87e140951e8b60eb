//! The device authorization grant: a person signs in with a browser, wherever that is.

mod prompt;

use std::fmt;
use std::sync::PoisonError;
use std::time::Duration;

use crate::auth::answer::Grant;
use crate::auth::{AccessToken, Credential, TokenRequest, answer, entra};
use crate::error::{Error, ErrorKind, Retry};
use crate::secret::Secret;
use crate::sync::{Mutex, MutexGuard};
use prompt::read;

pub use prompt::DeviceCodePrompt;

const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// Failures make the time between requests no longer than this.
const LONGEST_INTERVAL: Duration = Duration::from_secs(60);
/// What `slow_down` adds to it (RFC 8628, section 3.5).
const SLOWER: Duration = Duration::from_secs(5);

/// A person who signs in with a browser on any device (OAuth 2.0 device authorization grant).
///
/// For a program without a browser at hand: a tool in a terminal, on a server, in a container. The
/// way of «Microsoft identity platform and the OAuth 2.0 device authorization grant flow»: the
/// program is given a short code, a person opens a page, enters the code and signs in, and meanwhile
/// the program asks every few seconds whether that has happened. Both endpoints,
/// `{authority}/{tenant}/oauth2/v2.0/devicecode` and `.../token`, are reached through the client's
/// own proxy and root certificates.
///
/// # When somebody is asked
///
/// At the first call, and then as rarely as possible. Beside the token a refresh token is asked for
/// (`offline_access`) and kept in memory, so that renewals ask nobody, for as long as Entra accepts
/// it. When it no longer does, since a password was changed for instance, the next call that has no
/// valid token left asks again; that the endpoint can't be reached is no reason to. While the old
/// token is good nobody is asked, not in the last five minutes of it either, in which a client
/// renews other tokens: a program that ends before its token does needs no second sign-in.
///
/// One thread asks for all of a client and its clones, and the others wait for it. Clients that share
/// a credential by an [`Arc`](std::sync::Arc) share the sign-in once there is one; before that each of
/// them asks. It lasts as long as the credential: nothing is written to disk.
///
/// # How long a call waits
///
/// Until somebody has signed in, or until the code expires: 15 minutes with Entra, and an hour at
/// most. [`max_wait`](crate::ClientBuilder::max_wait) does not count for it. The
/// [deadline](crate::ClientBuilder::deadline) does, and a call that fails for it leaves the code as it
/// is: the next call goes on with it and shows no other one.
/// [`on_wait`](crate::ClientBuilder::on_wait) hears of it every second as
/// [`WaitReason::Token`](crate::WaitReason::Token), and can break it off; the call after that asks
/// with a new code. A token endpoint that is in trouble for a while is asked again, less often, as
/// long as the code is good.
///
/// # What it needs
///
/// * The app registration must allow public client flows (Authentication, Advanced settings).
/// * The token is a delegated one: the app needs the delegated permission, and the person who signs in
///   the role, that [the table](crate#permissions) has for an operation. The list of machines holds
///   only the device groups that this person may see.
/// * Many tenants block the device code flow with Conditional Access, as Microsoft recommends. Then
///   there is no token this way, whoever signs in.
///
/// # Errors
///
/// A call fails with [`ErrorKind::Credential`](crate::ErrorKind::Credential) when the sign-in is
/// declined or refused (not retryable, and nobody is asked again for a minute), and when nobody signs
/// in before the code expires or Entra no longer knows it (retryable: the next call asks with a new
/// code, the same call doesn't). It fails with [`Timeout`](crate::ErrorKind::Timeout) when the
/// deadline comes first, with [`Cancelled`](crate::ErrorKind::Cancelled) when `on_wait` breaks it
/// off, and with `Timeout`, [`Transport`](crate::ErrorKind::Transport) or
/// [`Tls`](crate::ErrorKind::Tls) when the endpoint could not be reached for a code or a renewal.
///
/// # Example
///
/// ```no_run
/// use defender_endpoint::{Client, DeviceCode};
///
/// fn main() -> Result<(), defender_endpoint::Error> {
///     let tenant = "contoso.onmicrosoft.com";
///     let app = "11111111-2222-3333-4444-555555555555";
///     let person = DeviceCode::new(tenant, app, |prompt| eprintln!("{prompt}"))?;
///     let client = Client::builder(person).build()?;
///     for machine in client.machines() {
///         println!("{}", machine?.id);
///     }
///     Ok(())
/// }
/// ```
pub struct DeviceCode {
    tenant: String,
    client_id: String,
    prompt: Box<dyn Fn(&DeviceCodePrompt) + Send + Sync>,
    signed_in: Mutex<Option<SignedIn>>,
    /// What a call with a deadline left behind.
    unfinished: Mutex<Option<SignIn>>,
}

/// What a sign-in left for the next token.
#[derive(Clone)]
struct SignedIn {
    /// Who gave it, and is the only one to be sent it.
    authority: String,
    refresh_token: Secret,
}

/// A sign-in that somebody was asked for.
struct SignIn {
    authority: String,
    scope: String,
    device_code: Secret,
    user_code: Secret,
    /// These two on the client's clock.
    expires_at: Duration,
    next_request: Duration,
    interval: Duration,
    /// How often in a row there was no answer to go by, and what happened the last time.
    failures: u32,
    trouble: Option<Error>,
}

impl DeviceCode {
    /// The tenant by its id or one of its domains, the application (client) id, and who asks the
    /// person.
    ///
    /// The callback is called by the thread whose call needs the token, with no lock held, and the
    /// waiting begins when it returns. It must not call the client that it is called for: that call
    /// would wait for the token of this one, for ever.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) when the tenant is neither a GUID nor a
    /// domain, or when the client id is empty or holds other than letters, digits and `-`. Nothing is
    /// sent.
    pub fn new(
        tenant: impl Into<String>,
        client_id: impl Into<String>,
        prompt: impl Fn(&DeviceCodePrompt) + Send + Sync + 'static,
    ) -> Result<Self, Error> {
        let (tenant, client_id) = (tenant.into(), client_id.into());
        entra::check_tenant(&tenant)?;
        entra::check_client_id(&client_id)?;
        Ok(Self {
            tenant,
            client_id,
            prompt: Box::new(prompt),
            signed_in: Mutex::new(None),
            unfinished: Mutex::new(None),
        })
    }

    /// A token for which nobody is asked.
    fn refresh(
        &self,
        request: &TokenRequest<'_>,
        refresh_token: &Secret,
    ) -> Result<AccessToken, Error> {
        let scope = scope_of(request);
        let form = refresh_form(&self.client_id, &scope, refresh_token);
        let grant = entra::grant(request, &self.tenant, &form, refresh_token)?;
        Ok(self.keep(request, grant))
    }

    /// Asks for a code, and a person to enter it.
    fn ask(&self, request: &TokenRequest<'_>) -> Result<SignIn, Error> {
        let scope = scope_of(request);
        let form = code_form(&self.client_id, &scope);
        let answer = entra::post(request, &self.tenant, "devicecode", &form)?;
        // What is sent for a code is no secret.
        let code = answer::good(
            answer,
            &Secret::from(""),
            request.now(),
            &answer::TOKENS,
            read,
        );
        let (prompt, device_code, interval) =
            code.map_err(|error| entra::explain(entra::of_entra(error), request.scope()))?;
        let now = request.clock.now();
        let sign_in = SignIn {
            authority: request.authority().to_owned(),
            scope,
            device_code,
            user_code: Secret::from(prompt.user_code.as_str()),
            expires_at: now.saturating_add(prompt.expires_in),
            next_request: now.saturating_add(interval),
            interval,
            failures: 0,
            trouble: None,
        };
        (self.prompt)(&prompt);
        Ok(sign_in)
    }

    /// Waits until the person has signed in.
    fn finish(
        &self,
        request: &TokenRequest<'_>,
        mut sign_in: SignIn,
    ) -> Result<AccessToken, Error> {
        loop {
            if sign_in.next_request > sign_in.expires_at {
                return Err(expired(sign_in.trouble));
            }
            let pause = sign_in.next_request.saturating_sub(request.clock.now());
            if let Err(error) = request.pause(pause) {
                // Another call may have the time; who breaks it off wants no more of it.
                if error.kind() != ErrorKind::Cancelled {
                    *lock(&self.unfinished) = Some(sign_in);
                }
                return Err(error);
            }
            let form = token_form(&self.client_id, &sign_in.device_code);
            let answer = entra::grant(request, &self.tenant, &form, &sign_in.device_code);
            let error = match answer {
                Ok(grant) => return Ok(self.keep(request, grant)),
                Err(error) => error.without(&sign_in.user_code),
            };
            let asked = error.retry_after().unwrap_or_default();
            let pause = match meaning(error) {
                Meaning::Pending => sign_in.answered(Duration::ZERO),
                Meaning::SlowDown => sign_in.answered(SLOWER),
                Meaning::Trouble(error) => sign_in.failed(error),
                Meaning::Over(error) => return Err(error),
            };
            let now = request.clock.now();
            sign_in.next_request = now.saturating_add(pause.max(asked));
        }
    }

    /// The one that an earlier call had no time for.
    fn unfinished(&self, request: &TokenRequest<'_>) -> Option<SignIn> {
        let now = request.clock.now();
        let scope = scope_of(request);
        let sign_in = lock(&self.unfinished).take_if(|sign_in| {
            // Another client's is left to that.
            sign_in.authority == request.authority() && sign_in.scope == scope
        })?;
        (now < sign_in.expires_at).then_some(sign_in)
    }

    /// Keeps what is for the next time. An answer without a refresh token leaves the old one.
    fn keep(&self, request: &TokenRequest<'_>, grant: Grant) -> AccessToken {
        if let Some(refresh_token) = grant.refresh_token {
            *lock(&self.signed_in) = Some(SignedIn {
                authority: request.authority().to_owned(),
                refresh_token,
            });
        }
        grant.token
    }

    fn refresh_token(&self, request: &TokenRequest<'_>) -> Option<Secret> {
        let signed_in = lock(&self.signed_in).clone()?;
        (signed_in.authority == request.authority()).then_some(signed_in.refresh_token)
    }

    /// Forgets a refresh token, unless another has replaced it meanwhile.
    fn forget(&self, refresh_token: &Secret) {
        lock(&self.signed_in).take_if(|it| it.refresh_token == *refresh_token);
    }
}

impl Credential for DeviceCode {
    fn token(&self, request: &TokenRequest<'_>) -> Result<AccessToken, Error> {
        if let Some(refresh_token) = self.refresh_token(request) {
            match self.refresh(request, &refresh_token) {
                Err(error) if needs_a_person(&error) => {
                    log::warn!("somebody has to sign in again: {error}");
                    self.forget(&refresh_token);
                }
                outcome => return outcome,
            }
        }
        if request.early {
            let text = "nobody is asked to sign in while the old token is good";
            return Err(Error::credential(text).with_retryable(true));
        }
        let sign_in = match self.unfinished(request) {
            Some(sign_in) => sign_in,
            None => self.ask(request)?,
        };
        self.finish(request, sign_in)
    }

    fn name(&self) -> &'static str {
        "device code"
    }
}

impl fmt::Debug for DeviceCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceCode")
            .field("tenant", &self.tenant)
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

impl SignIn {
    /// The pause after an answer that is none yet.
    fn answered(&mut self, slower: Duration) -> Duration {
        self.failures = 0;
        self.trouble = None;
        self.interval = self.interval.saturating_add(slower);
        self.interval
    }

    /// The pause after a failure that may pass: it doubles, as RFC 8628 demands, until there is an
    /// answer again.
    fn failed(&mut self, error: Error) -> Duration {
        self.failures = self.failures.saturating_add(1);
        let doubled = 2_u32.checked_pow(self.failures);
        let pause = doubled.and_then(|times| self.interval.checked_mul(times));
        let pause = pause.unwrap_or(LONGEST_INTERVAL);
        let pause = pause.min(LONGEST_INTERVAL).max(self.interval);
        log::warn!("no word yet of the sign-in: {error}; next try in {pause:.1?}");
        self.trouble = Some(error);
        pause
    }
}

/// The locks are held for no longer than it takes to move a value: what they guard is whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `offline_access` brings the refresh token.
fn scope_of(request: &TokenRequest<'_>) -> String {
    format!("{} offline_access", request.scope())
}

fn code_form<'a>(client_id: &'a str, scope: &'a str) -> [(&'a str, &'a str); 2] {
    [("client_id", client_id), ("scope", scope)]
}

fn token_form<'a>(client_id: &'a str, device_code: &'a Secret) -> [(&'a str, &'a str); 3] {
    [
        ("client_id", client_id),
        ("device_code", device_code.expose()),
        ("grant_type", GRANT_TYPE),
    ]
}

fn refresh_form<'a>(
    client_id: &'a str,
    scope: &'a str,
    refresh_token: &'a Secret,
) -> [(&'a str, &'a str); 4] {
    [
        ("client_id", client_id),
        ("grant_type", "refresh_token"),
        ("refresh_token", refresh_token.expose()),
        ("scope", scope),
    ]
}

/// What it means that there is no token yet.
enum Meaning {
    /// The person has not signed in yet.
    Pending,
    /// The same, and asked too often.
    SlowDown,
    /// No answer to go by, and the next may be one.
    Trouble(Error),
    /// There won't be a token for this code.
    Over(Error),
}

fn meaning(error: Error) -> Meaning {
    let over = |consequence: &str| error.duplicate().behind(consequence);
    Meaning::Over(match error.code() {
        Some("authorization_pending") => return Meaning::Pending,
        Some("slow_down") => return Meaning::SlowDown,
        Some("authorization_declined" | "access_denied") => over("the sign-in was declined")
            .with_hint("the person who was asked refused; run the program again to ask once more"),
        Some("expired_token") => over("nobody signed in before the code expired")
            .with_retry(Retry::Later)
            .with_hint(ASKS_ANEW),
        Some("bad_verification_code") => over("the device code is not known")
            .with_retry(Retry::Later)
            .with_hint(ASKS_ANEW),
        _ if error.is_retryable() => return Meaning::Trouble(error),
        _ => error,
    })
}

const ASKS_ANEW: &str = "the next call asks with a new code";

/// The code has expired, by the time that it was said to be good for.
fn expired(trouble: Option<Error>) -> Error {
    let error = Error::credential("nobody signed in before the code expired")
        .with_retry(Retry::Later)
        .with_hint(ASKS_ANEW);
    match trouble {
        Some(trouble) => error.with_source(trouble),
        None => error,
    }
}

/// Whether a refresh token was refused for what only a person can mend.
fn needs_a_person(error: &Error) -> bool {
    let codes = [
        "invalid_grant",
        "interaction_required",
        "login_required",
        "consent_required",
    ];
    error.code().is_some_and(|code| codes.contains(&code))
}

#[cfg(test)]
mod tests;
