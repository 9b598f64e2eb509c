//! One WebRTC peer connection as both publishers and viewers use it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use rtc::ice::mdns::MulticastDnsMode;
use tokio::sync::watch;
use webrtc::media_stream::track_remote::TrackRemote;
use webrtc::peer_connection::{
    MediaEngine, PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCIceGatheringState,
    RTCPeerConnectionState, RTCSessionDescription, Registry, SettingEngineBuilder,
};
use webrtc::rtp_transceiver::RtpSender;

use crate::Error;

/// Host candidates only: gathering is a matter of milliseconds, unless the machine is starved.
const GATHER_TIMEOUT: Duration = Duration::from_secs(5);
/// ICE and DTLS on a bad line; past this a join has failed for any person.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// What is done with a track the other side sends.
pub(crate) type OnTrack = Box<dyn Fn(Arc<dyn TrackRemote>) + Send + Sync>;

/// A peer connection and its state.
pub(crate) struct Peer {
    pub(crate) connection: Arc<dyn PeerConnection>,
    state: watch::Receiver<RTCPeerConnectionState>,
    gathered: watch::Receiver<bool>,
}

struct Events {
    state: watch::Sender<RTCPeerConnectionState>,
    gathered: watch::Sender<bool>,
    on_track: OnTrack,
}

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Events {
    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        self.gathered
            .send_replace(state == RTCIceGatheringState::Complete);
    }

    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        tracing::debug!(%state, "connection");
        self.state.send_replace(state);
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        (self.on_track)(track);
    }
}

impl Peer {
    /// A peer that will talk to `server`: bound to loopback when that is where it is, to every interface otherwise.
    pub(crate) async fn new(
        server: &Url,
        media: MediaEngine,
        interceptors: Registry,
        on_track: OnTrack,
    ) -> Result<Self, Error> {
        let (state, state_seen) = watch::channel(RTCPeerConnectionState::New);
        let (gathered, gathered_seen) = watch::channel(false);
        // A server's candidates are addresses, no names of mDNS. Where no route leads out of the machine, asking for names
        // would end the connection.
        let settings = SettingEngineBuilder::new()
            .with_multicast_dns_mode(MulticastDnsMode::Disabled)
            .build();
        let connection = PeerConnectionBuilder::new()
            .with_setting_engine(settings)
            .with_media_engine(media)
            .with_interceptor_registry(interceptors)
            .with_handler(Arc::new(Events {
                state,
                gathered,
                on_track,
            }))
            .with_udp_addrs(vec![bind_address(server)])
            .build()
            .await?;
        Ok(Self {
            connection: Arc::new(connection),
            state: state_seen,
            gathered: gathered_seen,
        })
    }

    /// The offer with all candidates in it.
    pub(crate) async fn offer(&mut self) -> Result<String, Error> {
        let offer = self.connection.create_offer(None).await?;
        self.connection.set_local_description(offer).await?;
        tokio::time::timeout(GATHER_TIMEOUT, self.gathered.wait_for(|done| *done))
            .await
            .map_err(|_| Error::Timeout(GATHER_TIMEOUT, "candidates"))?
            .map_err(|_| Error::Ended)?;
        Ok(self.connection.local_description().await.ok_or(Error::Ended)?.sdp)
    }

    /// Takes the answer and waits until media can flow.
    pub(crate) async fn connect(&mut self, answer: String) -> Result<(), Error> {
        let answer = RTCSessionDescription::answer(answer)?;
        self.connection.set_remote_description(answer).await?;
        let settled = self
            .state
            .wait_for(|s| *s == RTCPeerConnectionState::Connected || has_ended(*s));
        let state = tokio::time::timeout(CONNECT_TIMEOUT, settled)
            .await
            .map_err(|_| Error::Timeout(CONNECT_TIMEOUT, "ICE and DTLS"))?
            .map_err(|_| Error::Ended)?;
        if has_ended(*state) {
            Err(Error::Ended)
        } else {
            Ok(())
        }
    }

    /// The mid of a sender's media section; known once there is an offer.
    pub(crate) async fn mid_of(&self, sender: &Arc<dyn RtpSender>) -> Result<String, Error> {
        for transceiver in self.connection.get_transceivers().await {
            if transceiver.sender().await?.is_some_and(|s| s.id() == sender.id()) {
                return Ok(transceiver.mid().await?.unwrap_or_default());
            }
        }
        Ok(String::new())
    }

    /// Resolves when the connection is lost for good: failed, closed by the other side, or silent for longer than ICE waits.
    pub(crate) fn ended(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut state = self.state.clone();
        async move {
            let _ = state
                .wait_for(|s| has_ended(*s) || *s == RTCPeerConnectionState::Disconnected)
                .await;
        }
    }

    /// Ends the connection.
    pub(crate) async fn close(&self) {
        if let Err(error) = self.connection.close().await {
            tracing::debug!(%error, "closing the connection");
        }
    }
}

fn has_ended(state: RTCPeerConnectionState) -> bool {
    matches!(
        state,
        RTCPeerConnectionState::Failed | RTCPeerConnectionState::Closed
    )
}

/// Whether the URL names this machine by a loopback address or `localhost`.
pub(crate) fn is_loopback(server: &Url) -> bool {
    server.host_str() == Some("localhost") || address_of(server).is_some_and(|ip| ip.is_loopback())
}

/// The host, when it is an address and not a name.
fn address_of(server: &Url) -> Option<IpAddr> {
    server.host_str()?.trim_matches(['[', ']']).parse().ok()
}

fn bind_address(server: &Url) -> SocketAddr {
    let v6 = address_of(server).is_some_and(|ip| ip.is_ipv6());
    let ip: IpAddr = match (is_loopback(server), v6) {
        (true, false) => Ipv4Addr::LOCALHOST.into(),
        (true, true) => Ipv6Addr::LOCALHOST.into(),
        (false, false) => Ipv4Addr::UNSPECIFIED.into(),
        (false, true) => Ipv6Addr::UNSPECIFIED.into(),
    };
    SocketAddr::new(ip, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_loopback() {
        let loopback = |url: &str| is_loopback(&url.parse().unwrap());
        for url in [
            "http://localhost:8080/whip/a",
            "http://127.0.0.1/",
            "http://127.9.9.9/",
            "http://[::1]:1/",
        ] {
            assert!(loopback(url), "{url}");
        }
        for url in [
            "http://localhost.example.com/",
            "http://10.0.0.1/",
            "http://[fd00::1]/",
            "https://shop.example/",
        ] {
            assert!(!loopback(url), "{url}");
        }
    }
}
