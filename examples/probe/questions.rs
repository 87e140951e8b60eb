//! The questions that no documentation answers, and what one tenant says to them.

use defender_endpoint::time::OffsetDateTime;
use defender_endpoint::time::format_description::well_known::Rfc3339;
use defender_endpoint::{Client, Cloud};
use serde_json::Value;

use crate::around;
use crate::ask::{Answer, Asker, Call};
use crate::known::Schema;
use crate::operations::{self, AGENTS, Asked, DEFINITIONS, Form, Leads, MACHINES, Operations};
use crate::report::{self, Question, Verdict};

/// So many calls may be made till one is refused; the documented limit is 100 a minute.
const MOST_CALLS: usize = 200;
/// Machines that are asked for to see whether they are sorted.
const TO_SORT: usize = 20;

/// What a question comes to: an answer, and one line of evidence.
type Found = (Verdict, String);

/// Six calls, and with `until_429` as many as it takes, up to 200, and seven more.
pub(crate) fn answer(
    client: &Client,
    asker: &Asker<'_>,
    operations: &Operations,
    schema: &Schema,
    until_429: bool,
) -> Vec<Question> {
    let url = client.cloud().api_url();
    let mut all = Vec::new();
    let mut add = |number, asks, (answer, evidence): Found| {
        all.push(Question {
            number,
            asks,
            answer,
            evidence,
        });
    };
    add(
        "1a",
        "Is the answer to an agent by id one bare object?",
        form_is(&operations.agent, Form::Bare, schema),
    );
    add(
        "1b",
        "Is history by definition a list in `value`?",
        form_is(&operations.by_definition, Form::List, schema),
    );
    add(
        "1c",
        "Is history by session a list in `value`?",
        form_is(&operations.by_session, Form::List, schema),
    );
    add(
        "2a",
        "Do the scan agents page?",
        pages(asker, &operations.agents, AGENTS),
    );
    add(
        "2b",
        "Do the scan definitions page?",
        pages(asker, &operations.definitions, DEFINITIONS),
    );
    add(
        "5",
        "Is the token's audience the one that the scope asks for?",
        audience(client),
    );
    add(
        "6a",
        "Do machines obey `$orderby`?",
        order(asker, operations),
    );
    add("6b", "Do machines obey `$count`?", count(asker));
    let (select, obeyed) = select(asker, operations);
    add("6c", "Do machines obey `$select`?", select);
    add(
        "7",
        "Does `@odata.nextLink` keep the host?",
        next_link(asker, operations, url, obeyed),
    );
    add(
        "8",
        "What does BatchDelete answer?",
        (Verdict::NotTried, "this program never writes".to_owned()),
    );
    // The last, as everything else may be refused afterwards.
    let refused = if until_429 {
        Some(until_refused(asker))
    } else {
        None
    };
    add(
        "3",
        "Does a 429 come with `Retry-After`?",
        throttled(asker, refused.as_ref()),
    );
    add(
        "4",
        "Do other paths share the quota of the machine list?",
        shared_quota(asker, operations, refused.as_ref()),
    );
    all.sort_by_key(|question| question.number);
    all
}

fn form_is(asked: &Asked, wanted: Form, schema: &Schema) -> Found {
    let form = asked.form();
    let Some(answer) = asked.answer().filter(|answer| answer.is_success()) else {
        return (Verdict::Unknown, why_not(asked));
    };
    let verdict = match form {
        Form::None => Verdict::Unknown,
        form if form == wanted => Verdict::Yes,
        _ => Verdict::No,
    };
    let rows = asked.rows().len();
    let spelling = asked.spelling(schema);
    let status = answer.status;
    (
        verdict,
        format!("{status}, {}, rows: {rows}; {spelling}", form.in_words()),
    )
}

/// Why an operation says nothing.
fn why_not(asked: &Asked) -> String {
    match &asked.outcome {
        Ok(answer) => format!("status {}", answer.status),
        Err(why) => (*why).to_owned(),
    }
}

fn status_of(outcome: &Result<Answer, &'static str>) -> String {
    match outcome {
        Ok(answer) => format!("status {}", answer.status),
        Err(why) => (*why).to_owned(),
    }
}

fn next_link_of(answer: &Answer) -> Option<&str> {
    answer.json()?.get("@odata.nextLink")?.as_str()
}

fn pages(asker: &Asker<'_>, list: &Asked, path: &str) -> Found {
    let Some(answer) = list.answer().filter(|answer| answer.is_success()) else {
        return (Verdict::Unknown, why_not(list));
    };
    let rows = list.rows().len();
    let link = next_link_of(answer).is_some();
    let with_link = if link { "with" } else { "without" };
    let one = asker.ask(&Call {
        name: "the same with $top=1",
        path: &format!("{path}?$top=1"),
        body: None,
    });
    let got = one.as_ref().map_or(0, |one| operations::rows_of(one).len());
    let success = one.as_ref().is_ok_and(Answer::is_success);
    let (verdict, top) = match (success, got) {
        (false, _) => (Verdict::No, format!("refused ({})", status_of(&one))),
        (true, _) if rows < 2 => (Verdict::Unknown, "not to be told apart".to_owned()),
        (true, 1) => (Verdict::Yes, "obeyed".to_owned()),
        (true, got) => (Verdict::No, format!("ignored (rows: {got})")),
    };
    let verdict = if link { Verdict::Yes } else { verdict };
    (
        verdict,
        format!("rows: {rows}, {with_link} a nextLink; `$top=1` {top}"),
    )
}

/// The audience is shown by its host alone, and only one that is the vendor's for everybody.
fn audience(client: &Client) -> Found {
    let Ok(claims) = client.token_claims() else {
        return (Verdict::Unknown, "the token can't be read here".to_owned());
    };
    let Some(audience) = claims.audience() else {
        return (Verdict::Unknown, "the token has none".to_owned());
    };
    let scope = client.cloud().scope();
    let wanted = scope.trim_end_matches(".default").trim_end_matches('/');
    let same = audience.trim_end_matches('/').eq_ignore_ascii_case(wanted);
    let told = match audience.split_once("://") {
        None => "an id instead of a URL".to_owned(),
        Some((_, rest)) => {
            let host = rest.split('/').next().unwrap_or_default();
            let vendors = [
                "securitycenter.onmicrosoft.com",
                "securitycenter.onmicrosoft.us",
            ];
            if vendors.contains(&host) || Cloud::of_api_url(&format!("https://{host}")).is_some() {
                format!("its host is `{host}`")
            } else {
                "its host is none of the API's".to_owned()
            }
        }
    };
    let asked_at = operations::host(client.cloud().api_url());
    let verdict = if same { Verdict::Yes } else { Verdict::No };
    (verdict, format!("{told}; calls go to {asked_at}"))
}

fn ask_machines(asker: &Asker<'_>, name: &str, query: &str) -> Result<Answer, &'static str> {
    asker.ask(&Call {
        name,
        path: &format!("{MACHINES}?{query}"),
        body: None,
    })
}

/// The dates by which machines are sorted, of the first few.
fn dates(rows: &[serde_json::Map<String, Value>]) -> Vec<OffsetDateTime> {
    let dates = rows.iter().take(TO_SORT).filter_map(|row| {
        let text = row.get("lastSeen")?.as_str()?;
        OffsetDateTime::parse(text, &Rfc3339).ok()
    });
    dates.collect()
}

fn order(asker: &Asker<'_>, operations: &Operations) -> Found {
    let query = format!("$top={TO_SORT}&$orderby=lastSeen%20desc");
    let outcome = ask_machines(asker, "GET /api/machines, $orderby", &query);
    let answer = match &outcome {
        Ok(answer) if answer.is_success() => answer,
        _ => return refused(&outcome),
    };
    let falls = |dates: &[OffsetDateTime]| {
        let pairs = dates.iter().zip(dates.iter().skip(1));
        pairs.into_iter().all(|(one, next)| one >= next)
    };
    let plain = dates(&operations.machines.rows());
    let sorted = dates(&operations::rows_of(answer));
    let rows = sorted.len();
    if rows < 3 {
        return (Verdict::Unknown, format!("200, but only {rows} dates"));
    }
    match (falls(&sorted), falls(&plain)) {
        (true, false) => (
            Verdict::Yes,
            format!("200, {rows} rows are sorted, which they are not without it"),
        ),
        (true, true) => (
            Verdict::Unknown,
            format!("200, {rows} rows are sorted, with it and without"),
        ),
        (false, _) => (Verdict::No, format!("200, but {rows} rows are not sorted")),
    }
}

/// A refusal says no; without an answer there is nothing to be said.
fn refused(outcome: &Result<Answer, &'static str>) -> Found {
    let verdict = match outcome {
        Ok(answer) if (400..500).contains(&answer.status) && answer.status != 429 => Verdict::No,
        _ => Verdict::Unknown,
    };
    (verdict, status_of(outcome))
}

fn count(asker: &Asker<'_>) -> Found {
    let outcome = ask_machines(asker, "GET /api/machines, $count", "$top=1&$count=true");
    match &outcome {
        Ok(answer) if answer.is_success() => {
            let key = answer.json().and_then(|json| json.get("@odata.count"));
            match key {
                Some(Value::Number(_)) => {
                    (Verdict::Yes, "200 with `@odata.count`, a number".to_owned())
                }
                Some(_) => (
                    Verdict::Yes,
                    "200 with `@odata.count`, no number".to_owned(),
                ),
                None => (Verdict::No, "200 without `@odata.count`".to_owned()),
            }
        }
        _ => refused(&outcome),
    }
}

/// And whether it was obeyed, so that a page of only ids can be asked for.
fn select(asker: &Asker<'_>, operations: &Operations) -> (Found, bool) {
    let query = "$top=1&$select=id,lastSeen";
    let outcome = ask_machines(asker, "GET /api/machines, $select", query);
    let answer = match &outcome {
        Ok(answer) if answer.is_success() => answer,
        _ => return (refused(&outcome), false),
    };
    let keys = |rows: &[serde_json::Map<String, Value>]| rows.first().map(serde_json::Map::len);
    let plain = keys(&operations.machines.rows());
    let selected = operations::rows_of(answer);
    match (plain, keys(&selected)) {
        (Some(plain), Some(selected)) if selected < plain => (
            (
                Verdict::Yes,
                format!("200, a row has {selected} keys instead of {plain}"),
            ),
            true,
        ),
        (Some(_), Some(selected)) => (
            (
                Verdict::No,
                format!("200, but a row has {selected} keys all the same"),
            ),
            false,
        ),
        _ => ((Verdict::Unknown, "200, but no row".to_owned()), false),
    }
}

/// A page without `$top` is the only one with a link; only ids in it, where that can be had.
fn next_link(asker: &Asker<'_>, operations: &Operations, url: &str, only_ids: bool) -> Found {
    let path = if only_ids {
        format!("{MACHINES}?$select=id")
    } else {
        MACHINES.to_owned()
    };
    let outcome = asker.ask(&Call {
        name: "GET /api/machines without $top",
        path: &path,
        body: None,
    });
    let answers = operations.all().into_iter().filter_map(Asked::answer);
    let answers: Vec<&Answer> = outcome.as_ref().ok().into_iter().chain(answers).collect();
    let links = answers.iter().filter_map(|answer| next_link_of(answer));
    let mut led: Vec<Leads> = links.map(|link| operations::leads(link, url)).collect();
    led.dedup();
    if led.is_empty() {
        let rows = outcome
            .as_ref()
            .map_or(0, |answer| operations::rows_of(answer).len());
        let status = status_of(&outcome);
        return (
            Verdict::Unknown,
            format!("{status}, {rows} machines on one page, no link anywhere"),
        );
    }
    let verdict = if led.iter().all(|leads| *leads == Leads::Home) {
        Verdict::Yes
    } else {
        Verdict::No
    };
    let places: Vec<&str> = led.iter().map(|leads| leads.in_words()).collect();
    (
        verdict,
        format!(
            "asked at {}, led to {}",
            operations::host(url),
            places.join(" and ")
        ),
    )
}

/// How calling till the service refused went: the refusal, or why it didn't come, and how many calls.
struct Refused {
    outcome: Result<Answer, String>,
    calls: usize,
}

fn until_refused(asker: &Asker<'_>) -> Refused {
    let path = format!("{MACHINES}?$top=1");
    let call = Call {
        name: "GET /api/machines, till it is refused",
        path: &path,
        body: None,
    };
    for calls in 1..=MOST_CALLS {
        let outcome = match asker.ask_once(&call) {
            Ok(answer) if answer.status == 429 => Ok(answer),
            Ok(answer) if answer.is_success() => continue,
            Ok(answer) => Err(format!("status {}", answer.status)),
            Err(why) => Err(why.to_owned()),
        };
        return Refused { outcome, calls };
    }
    Refused {
        outcome: Err(format!("no 429 in {MOST_CALLS} calls")),
        calls: MOST_CALLS,
    }
}

fn throttled(asker: &Asker<'_>, refused: Option<&Refused>) -> Found {
    // One that came unasked for is as good.
    let Some(answer) = asker.throttled() else {
        return match refused {
            Some(Refused {
                outcome: Err(why),
                calls,
            }) => (Verdict::Unknown, format!("{why}, after {calls} calls")),
            _ => (Verdict::NotTried, "asks for `--until-429`".to_owned()),
        };
    };
    let after = match refused {
        Some(refused) => format!("after {} calls", refused.calls),
        None => "by chance".to_owned(),
    };
    let headers = report::headers(&around::headers(&answer));
    let verdict = if answer.header("retry-after").is_some() {
        Verdict::Yes
    } else {
        Verdict::No
    };
    (verdict, format!("{after}: {headers}"))
}

fn shared_quota(asker: &Asker<'_>, operations: &Operations, refused: Option<&Refused>) -> Found {
    let Some(refused) = refused else {
        return (Verdict::NotTried, "asks for `--until-429`".to_owned());
    };
    if refused.outcome.is_err() {
        return (Verdict::Unknown, "there was no 429".to_owned());
    }
    let others = operations.all().into_iter().skip(1);
    let (mut shared, mut apart, mut else_) = (Vec::new(), Vec::new(), Vec::new());
    for asked in others.filter(|asked| asked.was_asked()) {
        match asker.ask_once(&asked.call()) {
            Ok(answer) if answer.status == 429 => shared.push(asked.name),
            Ok(answer) if answer.is_success() => apart.push(asked.name),
            _ => else_.push(asked.name),
        }
    }
    let verdict = match (shared.is_empty(), apart.is_empty()) {
        (false, _) => Verdict::Yes,
        (true, false) => Verdict::No,
        (true, true) => Verdict::Unknown,
    };
    let listed = |what: &str, names: &[&str]| match names {
        [] => String::new(),
        names => format!("{what}: {}. ", names.join(", ")),
    };
    let evidence = [
        listed("Refused as well", &shared),
        listed("Went through", &apart),
        listed("Neither", &else_),
    ];
    (verdict, evidence.concat().trim_end().to_owned())
}
