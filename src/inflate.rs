//! Bodies as they came off the wire, read as what they say.

use std::io::{self, Read};

use flate2::bufread::MultiGzDecoder;

use crate::body::Body;

/// Reads a body, inflating it if need be.
pub(crate) enum Inflate {
    Plain(Body),
    Gzip(Box<MultiGzDecoder<Body>>),
}

impl Inflate {
    /// By the bytes and not by the header: the transport may have inflated the body already, where
    /// another crate of the build has turned that on.
    pub(crate) fn new(body: Body) -> Self {
        if body.is_gzip() {
            Self::Gzip(Box::new(MultiGzDecoder::new(body)))
        } else {
            Self::Plain(body)
        }
    }
}

impl Read for Inflate {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(body) => body.read(buffer),
            Self::Gzip(inflating) => inflating.read(buffer),
        }
    }
}

/// The beginning of a small body, such as an error's. What is broken or beyond the limit is left
/// out: the status says more than the rest of the text. And whether nothing was broken.
pub(crate) fn beginning(body: Body, limit: u64) -> (Vec<u8>, bool) {
    let mut inflate = match Inflate::new(body) {
        Inflate::Gzip(inflating) => inflating,
        Inflate::Plain(body) => {
            let mut body = body.into_first_piece();
            body.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
            return (body, true);
        }
    };
    let mut body = Vec::new();
    // What was read before an error is there, and all that there is.
    let whole = inflate.by_ref().take(limit).read_to_end(&mut body).is_ok();
    (body, whole)
}
