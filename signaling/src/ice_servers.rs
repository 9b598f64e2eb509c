//! STUN and TURN servers named to clients in `Link` headers (RFC 9725 §4.6).

/// A STUN or TURN server, ready to be written into a `Link` header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IceServer {
    link: String,
}

/// A server that cannot be named in a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "accepted is stun:host:port, or turn:host:port?transport=udp with a user name and credential, all printable ASCII"
)]
pub struct BadIceServer;

impl IceServer {
    /// A server by its URL (RFC 7064, RFC 7065). `login` is what TURN asks for: user name and credential.
    ///
    /// # Errors
    /// [`BadIceServer`] for another scheme, a TURN server without login, or characters a header cannot carry.
    pub fn new(url: &str, login: Option<(&str, &str)>) -> Result<IceServer, BadIceServer> {
        let scheme = url.split(':').next().unwrap_or_default();
        let rest = url.get(scheme.len() + 1..).unwrap_or_default();
        // A comma or semicolon would end the link for clients that split the header without reading quotes.
        let plain = |text: &str| {
            text.bytes()
                .all(|b| b.is_ascii_graphic() && !b"<>,;\"\\".contains(&b))
        };
        if rest.is_empty() || !plain(url) {
            return Err(BadIceServer);
        }
        let link = match (scheme, login) {
            ("stun" | "stuns", _) => format!("<{url}>; rel=\"ice-server\""),
            ("turn" | "turns", Some((user, credential))) if plain(user) && plain(credential) => format!(
                "<{url}>; rel=\"ice-server\"; username=\"{user}\"; credential=\"{credential}\"; \
                 credential-type=\"password\""
            ),
            _ => return Err(BadIceServer),
        };
        Ok(IceServer { link })
    }

    /// The value of its `Link` header.
    pub(crate) fn link(&self) -> &str {
        &self.link
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_written_as_links() {
        let stun = IceServer::new("stun:stun.example:3478", None).unwrap();
        assert_eq!(stun.link(), "<stun:stun.example:3478>; rel=\"ice-server\"");
        let turn = IceServer::new("turn:turn.example:3478?transport=udp", Some(("anna", "secret"))).unwrap();
        assert_eq!(
            turn.link(),
            "<turn:turn.example:3478?transport=udp>; rel=\"ice-server\"; username=\"anna\"; \
             credential=\"secret\"; credential-type=\"password\""
        );
    }

    #[test]
    fn what_a_header_cannot_carry_is_refused() {
        let login = Some(("anna", "sec\"ret"));
        for (url, login) in [
            ("http://x", None),
            ("stun:", None),
            ("stun", None),
            ("turn:x", None),
            ("turn:x", login),
            ("stun:a b", None),
            ("stun:a,b", None),
        ] {
            assert_eq!(IceServer::new(url, login), Err(BadIceServer), "{url}");
        }
    }
}
