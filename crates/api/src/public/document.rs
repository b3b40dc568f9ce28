use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use ids::{Sha256, UnixTime};
use std::time::{Duration, SystemTime};

/// Octets that stay the same for a while, as caches want them (RFC 9110 §8.8, RFC 9111 §5).
#[derive(Debug)]
pub(super) struct Document {
    media_type: &'static str,
    octets: Bytes,
    /// In its quotes.
    etag: String,
    dates: Option<Dates>,
}

/// From when to when it holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dates {
    pub(super) from: UnixTime,
    pub(super) until: UnixTime,
}

impl Document {
    pub(super) fn new(media_type: &'static str, octets: Vec<u8>, dates: Option<Dates>) -> Self {
        let etag = format!("\"{}\"", Sha256::of(&octets));
        Self { media_type, octets: octets.into(), etag, dates }
    }

    /// The whole, or that the client has it already. `kept`: for how long a cache may hand it out.
    pub(super) fn answer(&self, asked: &HeaderMap, kept: Duration) -> Response {
        let mut response = match self.is_known(asked) {
            true => StatusCode::NOT_MODIFIED.into_response(),
            false => Body::from(self.octets.clone()).into_response(),
        };
        let mut set = |name, value: &str| {
            // None of these has an octet that a field may not have.
            if let Ok(value) = HeaderValue::from_str(value) {
                response.headers_mut().insert(name, value);
            }
        };
        set(header::CONTENT_TYPE, self.media_type);
        set(header::ETAG, &self.etag);
        let kept = format!("max-age={}, public, no-transform, must-revalidate", kept.as_secs());
        set(header::CACHE_CONTROL, &kept);
        if let Some(Dates { from, until }) = self.dates {
            set(header::LAST_MODIFIED, &date(from));
            set(header::EXPIRES, &date(until));
        }
        response
    }

    /// RFC 9110 §13.2.2: If-None-Match goes before If-Modified-Since.
    fn is_known(&self, asked: &HeaderMap) -> bool {
        let text = |name| asked.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        if asked.contains_key(header::IF_NONE_MATCH) {
            let tags = text(header::IF_NONE_MATCH).unwrap_or_default().split(',').map(str::trim);
            let mut plain = tags.map(|tag| tag.strip_prefix("W/").unwrap_or(tag));
            return plain.any(|tag| tag == self.etag || tag == "*");
        }
        let since = text(header::IF_MODIFIED_SINCE).and_then(|text| httpdate::parse_http_date(text).ok());
        since.zip(self.dates).is_some_and(|(since, dates)| time(dates.from) <= since)
    }
}

fn date(at: UnixTime) -> String {
    httpdate::fmt_http_date(time(at))
}

/// In whole seconds, as HTTP has them.
fn time(at: UnixTime) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(at.secs()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_has_it_gets_no_octets_and_one_that_has_another_gets_all() {
        let at = |secs| UnixTime::from_secs(secs);
        let dates = Dates { from: at(784_111_777), until: at(784_111_837) };
        let document = Document::new("application/pkix-crl", b"list".to_vec(), Some(dates));
        let ask = |name: header::HeaderName, value: &str| {
            let headers = HeaderMap::from_iter([(name, HeaderValue::from_str(value).unwrap())]);
            document.answer(&headers, Duration::from_secs(30))
        };
        let etag = document.etag.clone();
        for known in [etag.clone(), format!("\"other\", W/{etag}"), "*".into()] {
            assert_eq!(ask(header::IF_NONE_MATCH, &known).status(), 304, "{known}");
        }
        assert_eq!(ask(header::IF_NONE_MATCH, "\"other\"").status(), 200);
        // The example of RFC 9110 §5.6.7.
        assert_eq!(ask(header::IF_MODIFIED_SINCE, "Sun, 06 Nov 1994 08:49:37 GMT").status(), 304);
        assert_eq!(ask(header::IF_MODIFIED_SINCE, "Sun, 06 Nov 1994 08:49:36 GMT").status(), 200);
        assert_eq!(ask(header::IF_MODIFIED_SINCE, "yesterday").status(), 200);
        let whole = document.answer(&HeaderMap::new(), Duration::from_secs(30));
        let text = |name| whole.headers()[name].to_str().unwrap();
        assert_eq!(text(header::LAST_MODIFIED), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(text(header::EXPIRES), "Sun, 06 Nov 1994 08:50:37 GMT");
        assert_eq!(text(header::CACHE_CONTROL), "max-age=30, public, no-transform, must-revalidate");
    }
}
