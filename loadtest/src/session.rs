//! The HTTP side of WHIP and WHEP: one POST opens a session, one DELETE ends it.

use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, LOCATION, RETRY_AFTER};
use reqwest::{Client, StatusCode, Url};

use crate::Error;

/// RFC 9725 sets none; a server that takes longer to answer a POST is overloaded, and that is a finding.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Ending a session is a courtesy: it must not hold up a stop.
const DELETE_TIMEOUT: Duration = Duration::from_secs(2);
/// SDP answers are a few kilobytes; more is not read.
const MAX_ANSWER_BYTES: usize = 256 << 10;
/// Of an error's body, enough to say what was wrong.
const MAX_ERROR_BYTES: usize = 500;

/// A session resource that the server has created.
pub(crate) struct Session {
    client: Client,
    resource: Url,
    token: Option<String>,
}

/// The client that all sessions of a process share.
pub(crate) fn client() -> Result<Client, Error> {
    Ok(Client::builder().timeout(REQUEST_TIMEOUT).build()?)
}

/// The client of a process that is the server, too: the certificate is for those who come by its name.
pub(crate) fn client_of_oneself() -> Result<Client, Error> {
    let client = Client::builder().timeout(REQUEST_TIMEOUT);
    Ok(client.danger_accept_invalid_certs(true).build()?)
}

impl Session {
    /// POSTs an offer and returns the session with the answer (RFC 9725 §4.2).
    pub(crate) async fn open(
        client: &Client,
        endpoint: &Url,
        token: Option<&str>,
        offer: String,
    ) -> Result<(Self, String), Error> {
        let mut request = client
            .post(endpoint.clone())
            .header(CONTENT_TYPE, "application/sdp")
            .body(offer);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let response = request.send().await?;
        let status = response.status();
        let header = |name| {
            response
                .headers()
                .get(&name)
                .and_then(|v| v.to_str().ok())
                .map(str::to_owned)
        };
        let (kind, location, retry_after) = (header(CONTENT_TYPE), header(LOCATION), header(RETRY_AFTER));
        // Relative to where redirects led (RFC 9725 §4.5).
        let base = response.url().clone();
        let body = body_of(response).await?;
        if status != StatusCode::CREATED {
            let retry_after = retry_after.and_then(|s| s.parse().ok()).map(Duration::from_secs);
            let body = body.chars().take(MAX_ERROR_BYTES).collect();
            return Err(Error::Refused {
                status: status.as_u16(),
                body,
                retry_after,
            });
        }
        if !kind.is_some_and(|k| k.trim().to_ascii_lowercase().starts_with("application/sdp")) {
            return Err(Error::Protocol("the 201 is not application/sdp".into()));
        }
        let location = location.ok_or_else(|| Error::Protocol("the 201 has no Location".into()))?;
        let resource = base
            .join(&location)
            .map_err(|e| Error::Protocol(format!("the Location {location:?} is no URL: {e}")))?;
        Ok((
            Self {
                client: client.clone(),
                resource,
                token: token.map(str::to_owned),
            },
            body,
        ))
    }

    /// DELETEs the session, waiting a short while at most; says whether the server confirmed it.
    pub(crate) async fn close(self) -> bool {
        let mut request = self.client.delete(self.resource).timeout(DELETE_TIMEOUT);
        if let Some(token) = self.token {
            request = request.bearer_auth(token);
        }
        match request.send().await {
            Ok(response) => response.status().is_success(),
            Err(error) => {
                tracing::debug!(%error, "the session could not be deleted");
                false
            }
        }
    }
}

async fn body_of(mut response: reqwest::Response) -> Result<String, Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > MAX_ANSWER_BYTES {
            return Err(Error::Protocol(format!(
                "the answer is longer than {MAX_ANSWER_BYTES} bytes"
            )));
        }
        body.extend_from_slice(&chunk);
    }
    String::from_utf8(body).map_err(|_| Error::Protocol("the answer is not UTF-8".into()))
}
