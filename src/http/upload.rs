//! The body of a request on its way out. Whoever was not given any of it can't have acted on it.

use std::io::{self, Read};

use ureq::SendBody;
use ureq::http::{HeaderValue, header};

use super::Request;

pub(super) struct Upload<'a> {
    rest: &'a [u8],
    /// See [`has_begun`](Self::has_begun): so till it is known better, and where there is none, so that
    /// the head is all.
    begun: bool,
}

impl<'a> Upload<'a> {
    pub(super) fn new(body: &'a [u8]) -> Self {
        Self {
            rest: body,
            begun: true,
        }
    }

    /// Whether some of it may have been handed over.
    pub(super) fn has_begun(&self) -> bool {
        self.begun
    }

    pub(super) fn send(
        &mut self,
        builder: ureq::RequestBuilder<ureq::typestate::WithBody>,
        request: &Request<'_>,
    ) -> Result<ureq::http::Response<ureq::Body>, ureq::Error> {
        if !request.writes {
            return builder.send(request.body);
        }
        self.begun = self.rest.is_empty();
        // A reader has no length of its own, and would be sent in chunks.
        let length = HeaderValue::from(request.body.len());
        let builder = builder.header(header::CONTENT_LENGTH, length);
        builder.send(SendBody::from_reader(self))
    }
}

/// ureq asks for the body when there is a connection, which is secure where it has to be, and the
/// head has been sent.
impl Read for Upload<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.rest.read(into)?;
        self.begun |= read > 0;
        Ok(read)
    }
}
