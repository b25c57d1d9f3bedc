//! A message as `submit_sm` PDUs (SMPP 3.4 §4.4).

use rusmpp_core::pdus::owned::SubmitSm;
use rusmpp_core::tlvs::owned::MessageSubmissionRequestTlvValue as Parameter;
use rusmpp_core::types::owned::{COctetString, OctetString};
use rusmpp_core::values::{DataCoding, EsmClass, RegisteredDelivery};

use crate::alphabet::Alphabet;
use crate::outbox::Attempt;
use crate::segments::{Segment, segments};
use crate::settings::SmppCarrier;
use crate::template::{Escape, Values};

/// How the parts of a long message are marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Concatenation {
    /// A user data header with an 8-bit reference (3GPP TS 23.040 §9.2.3.24.1).
    Udh,
    /// The parameters `sar_msg_ref_num`, `sar_total_segments`, `sar_segment_seqnum` (SMPP 3.4 §5.3.2.22).
    Sar,
}

/// The PDUs of a message, in order. None: the number or the source cannot be written in a PDU.
pub(super) fn parts(carrier: &SmppCarrier, attempt: &Attempt) -> Option<Vec<SubmitSm>> {
    let text = attempt.text.expose();
    let alphabet = if carrier.gsm_7bit { Alphabet::of(text) } else { Alphabet::Ucs2 };
    let number = Values { number: attempt.number.expose(), ..Values::default() };
    let destination = carrier.destination.fill(&number, Escape::None);
    let source_addr = COctetString::from_string(carrier.source.clone()).ok()?;
    let destination_addr = COctetString::from_string(destination).ok()?;
    let ((source_ton, source_npi), (dest_ton, dest_npi)) = (carrier.source_type, carrier.destination_type);
    let whole = SubmitSm::builder()
        .source_addr_ton(source_ton.into())
        .source_addr_npi(source_npi.into())
        .source_addr(source_addr)
        .dest_addr_ton(dest_ton.into())
        .dest_addr_npi(dest_npi.into())
        .destination_addr(destination_addr)
        // The library's default has a bit of ANSI-41 set.
        .esm_class(EsmClass::from(0))
        .registered_delivery(RegisteredDelivery::from(u8::from(carrier.receipts)))
        .data_coding(match alphabet {
            Alphabet::Gsm7 => DataCoding::McSpecific,
            Alphabet::Ucs2 => DataCoding::Ucs2,
        })
        .build();
    let parts = segments(text, alphabet);
    parts.iter().map(|part| submit(whole.clone(), part, alphabet, attempt.id.0, carrier.concatenation)).collect()
}

fn submit(
    mut pdu: SubmitSm,
    part: &Segment,
    alphabet: Alphabet,
    id: u64,
    concatenation: Concatenation,
) -> Option<SubmitSm> {
    let mut octets = Vec::new();
    if part.of > 1 {
        let [.., high, low] = id.to_be_bytes();
        match concatenation {
            Concatenation::Udh => {
                // Length of the header; the element for concatenation with its length; reference, parts, part.
                octets.extend([5, 0, 3, low, part.of, part.number]);
                pdu.esm_class = EsmClass::from(UDHI);
            }
            Concatenation::Sar => {
                pdu.push_tlv(Parameter::SarMsgRefNum(u16::from_be_bytes([high, low])));
                pdu.push_tlv(Parameter::SarTotalSegments(part.of));
                pdu.push_tlv(Parameter::SarSegmentSeqnum(part.number));
            }
        }
    }
    octets.extend(alphabet.encode(&part.text));
    pdu.set_short_message(OctetString::from_vec(octets).ok()?);
    Some(pdu)
}

/// The message has a user data header (SMPP 3.4 §5.2.12).
const UDHI: u8 = 0x40;
