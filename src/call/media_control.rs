//! Commands to a media session, and its events.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use audio::Take;
use base::{Codec, DtmfMode, Key};
use flow::PlayId;
use rtp::Mos;
use sdp::{MediaAddresses, Negotiated, RemoteMedia, SrtpKeys, SrtpPolicy};
use speech::Piece;

/// How a stream begins, or goes on after a re-INVITE.
#[derive(Clone, Debug)]
pub struct MediaSetup {
    /// The codec of the sound that leaves.
    pub codec: Codec,
    /// The payload number that the peer chose for it.
    pub payload: u8,
    /// telephone-event at 8000 Hz, if negotiated; without it tones in the sound are heard.
    pub event_payload: Option<u8>,
    /// The payload numbers of sound that may arrive, with their codecs.
    pub receive: Vec<(u8, Codec)>,
    /// The payload numbers at which telephone events may arrive.
    pub events: Vec<u8>,
    /// The sound in one packet that leaves.
    pub ptime: Duration,
    /// Where the peer receives, by its session description; none before there is one.
    pub peer: Option<RemoteMedia>,
    /// Where the peer's SIP comes from; its sound may come from there, and from other hosts of its trunk, too.
    pub signalling_address: Option<Signalling>,
    /// Packets may come from any address, and ours go there (callers behind NAT).
    pub symmetric: bool,
    /// Which ways of keys are heard.
    pub dtmf: DtmfMode,
    /// Silence that is sent before the call's first sound, for trunks that cut off what comes first.
    pub lead_in: Duration,
    /// The jitter buffer of the peer's sound on its way to another call.
    pub jitter_buffer: Duration,
    /// The keys of SRTP in both directions; none: the media is in the clear.
    pub srtp: Option<Arc<SrtpKeys>>,
    /// Whether we send (not while the peer holds us: `sendonly`/`inactive` from the peer's side).
    pub sending: bool,
    /// Whether the peer is expected to send: only then does its silence end the call.
    pub receiving: bool,
}

/// Where the peer's SIP comes from, and which other hosts are its trunk's.
#[derive(Clone, Debug)]
pub struct Signalling {
    /// The source address of the SIP: sound may come from there too, even if the SDP names another address (a host with
    /// several, as when a softphone calls a node on its own host).
    pub address: IpAddr,
    /// Sound may come from the addresses that these allow: a trunk's media gateways may receive on one host and send from
    /// another.
    pub media: MediaAddresses,
}

/// What a trunk's settings say of the media of its calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MediaPolicy {
    /// Which ways of keys are heard.
    pub dtmf: DtmfMode,
    /// Silence that is sent before the call's first sound.
    pub lead_in: Duration,
    /// The jitter buffer of the peer's sound on its way to another call.
    pub jitter_buffer: Duration,
    /// Packets may come from any address, and ours go there (callers behind NAT).
    pub symmetric: bool,
    /// Whether the media is protected.
    pub srtp: SrtpPolicy,
}

impl MediaSetup {
    /// What an offer and an answer agreed on, as a stream needs it, with what the trunk's settings add.
    pub fn new(negotiated: &Negotiated, policy: MediaPolicy) -> MediaSetup {
        MediaSetup {
            codec: negotiated.codec,
            payload: negotiated.payload,
            event_payload: negotiated.event_payload,
            receive: negotiated.receive.clone(),
            events: negotiated.events.clone(),
            ptime: negotiated.ptime,
            peer: negotiated.peer,
            signalling_address: None,
            symmetric: policy.symmetric,
            dtmf: policy.dtmf,
            lead_in: policy.lead_in,
            jitter_buffer: policy.jitter_buffer,
            srtp: negotiated.srtp.clone(),
            sending: negotiated.we_send(),
            receiving: negotiated.we_expect(),
        }
    }
}

impl MediaSetup {
    /// The codec of sound that arrives with this payload number.
    pub fn codec_of(&self, payload: u8) -> Option<Codec> {
        self.receive.iter().find(|(number, _)| *number == payload).map(|(_, codec)| *codec)
    }
}

/// From the control plane.
#[derive(Clone, Debug)]
pub enum MediaCommand {
    /// Change codec, peer or direction; what plays goes on.
    Setup(Box<MediaSetup>),
    /// Play these; an earlier play is over and reports nothing.
    Play {
        /// Named again in [`MediaEvent::Played`].
        id: PlayId,
        /// What to play, in order.
        pieces: Vec<Piece>,
    },
    /// Be silent at once.
    Stop,
    /// Record the caller's sound from now on, up to `max`.
    Record {
        /// The longest recording.
        max: Duration,
        /// What of it the session keeps.
        mode: RecordMode,
    },
    /// End the recording in progress; [`MediaEvent::Recorded`] follows if there is one.
    StopRecord,
    /// What [`Piece::Message`] plays from now on, as a new recording would be.
    Load(Take),
    /// What goes on playing where the take ends, without a pause; forgotten with the play.
    LoadNext(Take),
    /// Press a key towards the peer, after those that it has not been sent yet.
    SendKey(Key),
    /// Keep the peer's sound from the session that this one is bridged with, or give it again. It holds for all bridges to come.
    Mute(bool),
    /// The peer refreshed its SIP session: it is there, even if it sends no sound.
    PeerAlive,
    /// End the session, and with it a recording in progress.
    Close,
}

/// What a session keeps of a recording in progress; [`MediaEvent::Sound`] reports it meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordMode {
    /// All of it, so that it comes whole at its end and can be played.
    Whole,
    /// What is not reported yet: memory does not grow with the recording.
    Streamed,
}

/// How a key was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeySource {
    /// RFC 4733.
    Rtp,
    /// SIP INFO.
    Info,
    /// In the sound.
    Tone,
}

impl KeySource {
    /// As it stands in the line test's log and in metrics.
    pub fn name(self) -> &'static str {
        match self {
            KeySource::Rtp => "rtp",
            KeySource::Info => "info",
            KeySource::Tone => "tone",
        }
    }
}

impl KeySource {
    /// Whether a trunk of this mode sends its keys so.
    pub fn counts(self, mode: DtmfMode) -> bool {
        match mode {
            DtmfMode::Auto => true,
            DtmfMode::Rfc4733 => self == KeySource::Rtp,
            DtmfMode::Info => self == KeySource::Info,
            DtmfMode::Inband => self == KeySource::Tone,
        }
    }
}

/// To the control plane.
#[derive(Clone, Debug)]
pub enum MediaEvent {
    /// The caller pressed a key.
    Key {
        /// The key.
        key: Key,
        /// How it was received.
        source: KeySource,
    },
    /// A key that was reported as [`KeySource::Rtp`] or [`KeySource::Tone`] was down until now: reported twice a second of a
    /// long press in RFC 4733, so that an INFO at its release is known to be of the same press.
    KeyHeld {
        /// The key.
        key: Key,
    },
    /// A play came to its end by itself.
    Played(PlayId),
    /// What plays went on to the take of [`MediaCommand::LoadNext`].
    NextTake(PlayId),
    /// The next stretch of the recording in progress: 16-bit samples at 8 kHz. The last stretch comes only
    /// with [`MediaEvent::Recorded`].
    Sound(Vec<i16>),
    /// The same where nothing came for long: this many samples of silence. Of streamed recordings only.
    Quiet(usize),
    /// The recording ended (limit, stop or close): all of it, of a streamed one what was not reported yet; and how many
    /// packets of it never came.
    Recorded {
        /// What was recorded, which the session may still play.
        take: Arc<Take>,
        /// Packets that never came while it was made.
        packets_lost: u64,
    },
    /// The peer reported on the sound that it receives (RFC 3550 §6.4).
    PeerReport {
        /// How many of our packets it has missed so far.
        packets_lost: u32,
        /// None until the peer has echoed one of our reports.
        round_trip: Option<Duration>,
    },
    /// How good the call sounds so far, by the E-model.
    Quality(Mos),
    /// No RTP or RTCP from the peer for the configured time.
    PeerLost,
}
