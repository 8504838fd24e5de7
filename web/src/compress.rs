//! Answers of text in fewer bytes, for clients that take gzip or zstd.
//!
//! Only a text that lies in memory whole is packed: JSON, pages, numbers. What streams (events,
//! transcripts, downloads) and what is a part of something goes as it is. A packed answer has other
//! bytes, so its tag is a weak one.
//!
//! The length of a packed answer tells what repeats in it (BREACH). That harms nobody here: a key
//! travels in a header, is in no body, and no page of another site can make a browser send it.

use std::io::{self, Write as _};

use axum::{
    body::{Body, Bytes, HttpBody},
    extract::Request,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::Response,
};
use flate2::{Compression, write::GzEncoder};
use http_body_util::BodyExt;

use crate::answer::Tagged;

/// Below it the headers are longer than what is saved.
const BYTES_MIN: u64 = 1_024;

/// Above it an answer goes as it is: it would lie in memory twice for long.
const BYTES_MAX: u64 = 64 << 20;

/// From here on packing takes long enough to be done away from the network.
const BYTES_AT_ONCE: u64 = 32 << 10;

/// Fast: JSON shrinks to a tenth either way.
const ZSTD_LEVEL: i32 = 1;
const GZIP_LEVEL: u32 = 3;

/// Codings of one header that are looked at.
const CODINGS_MAX: usize = 32;

/// How a body is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coding {
    Gzip,
    Zstd,
}

/// Packs answers.
pub(crate) async fn packed(request: Request, next: Next) -> Response {
    let coding = Coding::wanted(request.headers());
    let head_only = request.method() == Method::HEAD;
    let mut response = next.run(request).await;
    let tagged = response.extensions().get::<Tagged>().is_some();
    if !is_text(response.headers()) && !tagged {
        return response;
    }
    let accept_encoding = HeaderValue::from_static("accept-encoding");
    response.headers_mut().append(header::VARY, accept_encoding);
    match coding {
        Some(coding) => pack(coding, head_only, response).await,
        None => response,
    }
}

async fn pack(coding: Coding, head_only: bool, mut response: Response) -> Response {
    let unchanged = response.status() == StatusCode::NOT_MODIFIED;
    if unchanged || head_only {
        let long = unchanged || told_bytes(response.headers()).is_some_and(fits);
        if long {
            // As they would be with the body.
            coding.mark(response.headers_mut(), head_only && !unchanged);
        }
        return response;
    }
    let bytes = response.body().size_hint().exact();
    if !bytes.is_some_and(fits) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    // It lies in memory: nothing is waited for, and nothing can fail.
    let Ok(plain) = body.collect().await.map(http_body_util::Collected::to_bytes) else {
        return Response::from_parts(parts, Body::empty());
    };
    match coding.packed(plain.clone()).await {
        Some(packed) if packed.len() < plain.len() => {
            coding.mark(&mut parts.headers, true);
            Response::from_parts(parts, Body::from(packed))
        }
        _ => Response::from_parts(parts, Body::from(plain)),
    }
}

fn fits(bytes: u64) -> bool {
    (BYTES_MIN..=BYTES_MAX).contains(&bytes)
}

fn told_bytes(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Whether it is text that may be packed: all of it, and not packed yet.
fn is_text(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default().trim();
    let text = kind.starts_with("text/")
        || kind.ends_with("+json")
        || matches!(kind, "application/json" | "application/javascript" | "image/svg+xml");
    let packed = headers.contains_key(header::CONTENT_ENCODING);
    text && kind != "text/event-stream" && !packed && !headers.contains_key(header::CONTENT_RANGE)
}

impl Coding {
    /// The best that a client takes; none when it says nothing.
    fn wanted(headers: &HeaderMap) -> Option<Self> {
        let said = headers.get_all(header::ACCEPT_ENCODING).iter();
        let said = said.filter_map(|value| value.to_str().ok());
        let (mut gzip, mut zstd, mut any) = (None, None, None);
        for one in said.flat_map(|value| value.split(',')).take(CODINGS_MAX) {
            let (name, quality) = match one.split_once(';') {
                Some((name, rest)) => (name, quality(rest)),
                None => (one, Some(1_000)),
            };
            let name = name.trim();
            if name.eq_ignore_ascii_case("gzip") || name.eq_ignore_ascii_case("x-gzip") {
                gzip = quality;
            } else if name.eq_ignore_ascii_case("zstd") {
                zstd = quality;
            } else if name == "*" {
                any = quality;
            }
        }
        let (gzip, zstd) = (gzip.or(any).unwrap_or(0), zstd.or(any).unwrap_or(0));
        match (gzip, zstd) {
            (0, 0) => None,
            (gzip, zstd) if zstd >= gzip => Some(Self::Zstd),
            _ => Some(Self::Gzip),
        }
    }

    /// Says in the headers that the body is packed, when `body` is; its length is another one.
    fn mark(self, headers: &mut HeaderMap, body: bool) {
        let weak = headers.get(header::ETAG).and_then(|tag| tag.to_str().ok()).map(|tag| {
            let tag = tag.strip_prefix("W/").unwrap_or(tag);
            HeaderValue::from_str(&format!("W/{tag}"))
        });
        if let Some(Ok(weak)) = weak {
            headers.insert(header::ETAG, weak);
        }
        if body {
            let name = match self {
                Self::Gzip => "gzip",
                Self::Zstd => "zstd",
            };
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(name));
            headers.remove(header::CONTENT_LENGTH);
        }
    }

    /// None when it could not be done.
    async fn packed(self, plain: Bytes) -> Option<Vec<u8>> {
        if plain.len() as u64 <= BYTES_AT_ONCE {
            return self.pack(&plain).ok();
        }
        tokio::task::spawn_blocking(move || self.pack(&plain)).await.ok()?.ok()
    }

    fn pack(self, plain: &[u8]) -> io::Result<Vec<u8>> {
        match self {
            Self::Zstd => zstd::bulk::compress(plain, ZSTD_LEVEL),
            Self::Gzip => {
                let mut packer = GzEncoder::new(Vec::new(), Compression::new(GZIP_LEVEL));
                packer.write_all(plain)?;
                packer.finish()
            }
        }
    }
}

/// `q=0.5` in thousandths; none for what is no number between 0 and 1.
fn quality(parameter: &str) -> Option<u32> {
    let (name, value) = parameter.trim().split_once('=')?;
    let value: f32 = value.trim().parse().ok()?;
    let sane = name.trim().eq_ignore_ascii_case("q") && (0.0..=1.0).contains(&value);
    // Within 0 and 1000.
    sane.then_some((value * 1_000.0) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_of_what_a_client_takes_is_chosen() {
        let of = |said: &'static str| {
            let said = (header::ACCEPT_ENCODING, HeaderValue::from_static(said));
            Coding::wanted(&HeaderMap::from_iter([said]))
        };
        for said in ["zstd", "gzip, deflate, br, zstd", "gzip;q=0.5, zstd", "*", "GZIP;q=0,*;q=0.1"]
        {
            assert_eq!(of(said), Some(Coding::Zstd), "{said}");
        }
        for said in ["gzip", "x-gzip", "gzip;q=1.0, zstd;q=0.9", "*, zstd;q=0", "zstd;q=x, gzip"] {
            assert_eq!(of(said), Some(Coding::Gzip), "{said}");
        }
        for said in
            ["", "identity", "br", "gzip;q=0", "gzip;q=2", "gzip;q=-1", "gzip;q=NaN", "*;q=0"]
        {
            assert_eq!(of(said), None, "{said}");
        }
        assert_eq!(Coding::wanted(&HeaderMap::new()), None);
    }

    #[test]
    fn what_streams_or_is_packed_is_no_text_to_pack() {
        let of = |kind: &'static str| {
            let kind = (header::CONTENT_TYPE, HeaderValue::from_static(kind));
            HeaderMap::from_iter([kind])
        };
        for kind in ["application/json", "text/plain; version=0.0.4", "text/html", "a/b+json"] {
            assert!(is_text(&of(kind)), "{kind}");
            let mut packed = of(kind);
            packed.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            assert!(!is_text(&packed), "{kind}");
        }
        for kind in ["text/event-stream", "application/x-tar", "application/octet-stream", ""] {
            assert!(!is_text(&of(kind)), "{kind}");
        }
    }
}
