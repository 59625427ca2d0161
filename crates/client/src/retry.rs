//! Sends until there is an answer, or until it makes no sense any more.

use std::time::{Duration, Instant};

use http::{HeaderValue, Request, Response, header};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use rand::Rng;
use serde::de::DeserializeOwned;
use tokio::time::{sleep, timeout};

use crate::answer::{Answer, is_problem, read};
use crate::config::Retry;
use crate::error::ClientError;
use crate::prepared::now;
use crate::{Client, Prepared};

/// Nobody is made to wait for longer by a header of the service.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(5);

/// What to send.
#[derive(Clone, Copy)]
pub(crate) enum Outgoing<'a> {
    /// A question, by its path and query.
    Get(&'a str),
    /// A question that anybody may ask.
    Open(&'a str),
    /// A signed request, with a query.
    Post(&'a Prepared, &'a str),
    /// The same without a token, which is what it is for.
    ForToken(&'a Prepared),
    /// A carrier of signed requests.
    Carrier(&'a str, &'a [u8]),
}

impl Outgoing<'_> {
    const fn has_token(self) -> bool {
        !matches!(self, Self::Open(_) | Self::ForToken(_))
    }
}

impl Client {
    /// Sends, as often as it takes, and reads the value in the answer. `wait` is what the service was asked
    /// to wait.
    pub(crate) async fn ask<T: DeserializeOwned>(
        &self,
        outgoing: Outgoing<'_>,
        wait: Duration,
    ) -> Result<T, ClientError> {
        self.answer(outgoing, wait).await?.value()
    }

    /// Sends, as often as it takes.
    pub(crate) async fn answer(&self, outgoing: Outgoing<'_>, wait: Duration) -> Result<Answer, ClientError> {
        let began = Instant::now();
        let mut pauses = Pauses::new(self.config.retry);
        let mut had_new_token = false;
        loop {
            let (error, after) = match self.once(outgoing, wait).await {
                Ok(answer) => match answer.check() {
                    Ok(()) => return Ok(answer),
                    Err(error) => (error, answer.retry_after),
                },
                Err(error) => (error, None),
            };
            if error.is_about_token() && !had_new_token && outgoing.has_token() {
                had_new_token = true;
                self.tokens.forget().await;
                continue;
            }
            let pause = pauses.next(began.elapsed(), after).filter(|_| error.is_passing());
            match pause {
                Some(pause) if !is_over(outgoing, pause) => sleep(pause).await,
                _ => return Err(error),
            }
        }
    }

    /// Sends once, whatever comes of it.
    pub(crate) async fn once(&self, outgoing: Outgoing<'_>, wait: Duration) -> Result<Answer, ClientError> {
        let limit = wait + Self::PATIENCE;
        let answer = async { read(self.exchange(outgoing).await?, self.answer_max).await };
        match timeout(limit, answer).await {
            Ok(answer) => answer,
            Err(_) => {
                self.connection.leave().await;
                Err(ClientError::TookTooLong)
            }
        }
    }

    /// Sends once, and reads only the head of the answer.
    async fn exchange(&self, outgoing: Outgoing<'_>) -> Result<Response<Incoming>, ClientError> {
        let mut request = self.to_http(outgoing)?;
        if outgoing.has_token() {
            let mut value = HeaderValue::from_str(&format!("Bearer {}", self.token().await?.as_str()))
                .map_err(|error| ClientError::Unwritable(error.into()))?;
            value.set_sensitive(true);
            request.headers_mut().insert(header::AUTHORIZATION, value);
        }
        self.connection.send(request).await
    }

    /// Sends once, and reads the head of an answer that goes on for long.
    pub(crate) async fn open(&self, outgoing: Outgoing<'_>) -> Result<Response<Incoming>, ClientError> {
        let response = timeout(Self::PATIENCE, self.exchange(outgoing))
            .await
            .map_err(|_| ClientError::TookTooLong)??;
        if is_problem(&response) || !response.status().is_success() {
            read(response, self.answer_max).await?.check()?;
            return Err(ClientError::Odd(200));
        }
        Ok(response)
    }

    fn to_http(&self, outgoing: Outgoing<'_>) -> Result<Request<Full<Bytes>>, ClientError> {
        let authority = self.connection.authority();
        let of = |method: &str, path: &str, body: &[u8]| {
            Request::builder()
                .method(method)
                .uri(format!("https://{authority}{path}"))
                .header(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))
                .body(Full::new(Bytes::copy_from_slice(body)))
                .map_err(ClientError::Unwritable)
        };
        match outgoing {
            Outgoing::Get(path) | Outgoing::Open(path) => of("GET", path, b""),
            Outgoing::Carrier(path, body) => of("POST", path, body),
            Outgoing::Post(prepared, query) => prepared.to_http(authority, query),
            Outgoing::ForToken(prepared) => prepared.to_http(authority, ""),
        }
    }
}

/// Whether a signed request will not be good any more after a pause.
fn is_over(outgoing: Outgoing<'_>, pause: Duration) -> bool {
    match outgoing {
        Outgoing::Post(prepared, _) | Outgoing::ForToken(prepared) => {
            prepared.expires() <= now().saturating_add(pause.as_secs())
        }
        Outgoing::Get(_) | Outgoing::Open(_) | Outgoing::Carrier(..) => false,
    }
}

/// The pauses between tries: each about twice as long as the one before, and none exactly like another's.
struct Pauses {
    retry: Retry,
    tries: u32,
    next: Duration,
}

impl Pauses {
    const fn new(retry: Retry) -> Self {
        Self { retry, tries: 1, next: retry.pause }
    }

    /// The next pause, or `None` if it is enough.
    fn next(&mut self, elapsed: Duration, after: Option<u64>) -> Option<Duration> {
        if self.tries >= self.retry.tries || elapsed >= self.retry.total {
            return None;
        }
        self.tries += 1;
        let usual = self.next.mul_f64(rand::thread_rng().gen_range(0.5..1.0));
        self.next = (self.next * 2).min(self.retry.pause_max);
        let told =
            after.map(Duration::from_secs).unwrap_or_default().min(RETRY_AFTER_MAX).min(self.retry.pause_max);
        Some(usual.max(told).min(self.retry.total.saturating_sub(elapsed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end() {
        let mut pauses = Pauses::new(Retry { tries: 4, ..Retry::default() });
        let all: Vec<_> = std::iter::from_fn(|| pauses.next(Duration::ZERO, None)).collect();
        assert_eq!(all.len(), 3);
        for (pause, most) in all.iter().zip([50, 100, 200]) {
            assert!((most / 2..=most).contains(&pause.as_millis()), "{all:?}");
        }
        assert_eq!(Pauses::new(Retry::NONE).next(Duration::ZERO, None), None);
    }

    #[test]
    fn the_service_may_ask_for_a_longer_pause_within_bounds() {
        let mut pauses = Pauses::new(Retry::default());
        assert_eq!(pauses.next(Duration::ZERO, Some(3600)), Some(Retry::default().pause_max));
        let late = Retry::default().total - Duration::from_millis(10);
        assert_eq!(pauses.next(late, Some(1)), Some(Duration::from_millis(10)));
        assert_eq!(pauses.next(Retry::default().total, None), None);
    }
}
