//! A service centre by SMPP: one connection that is kept, and made again when it is lost.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{sleep, sleep_until, timeout};

use os::clock;
use sms::smpp::{Input, Output, Session, SmppSecret};
use sms::{Attempt, CarrierReport, Outcome, Retry, SmppCarrier, SmsId};
use tls::OutgoingTls;

use crate::secret;
use crate::service::SmsService;

/// Keeps a session until the service is gone. `submits` are the messages to send.
pub(crate) async fn run(
    service: Arc<SmsService>,
    carrier: SmppCarrier,
    retry: Retry,
    mut submits: mpsc::Receiver<Attempt>,
) {
    let tls = OutgoingTls::new("sms.smpp.ca_file", carrier.ca_file.clone());
    let mut acknowledged = HashMap::new();
    let mut failures = 0;
    loop {
        let began = clock::now();
        let why = match connect(&carrier, &tls).await {
            Ok((password, Stream::Plain(stream))) => {
                drive(&service, &carrier, &password, stream, &mut submits, &mut acknowledged).await
            }
            Ok((password, Stream::Tls(stream))) => {
                drive(&service, &carrier, &password, *stream, &mut submits, &mut acknowledged).await
            }
            Err(why) => why,
        };
        service.report(CarrierReport::Down(why));
        // A session that lasted was no failure.
        failures = if began.elapsed() > LASTED { 1 } else { failures + 1 };
        let wait = sleep(retry.wait(failures, clock::random_u64()));
        tokio::pin!(wait);
        loop {
            tokio::select! {
                () = &mut wait => break,
                submit = submits.recv() => match submit {
                    Some(attempt) => service.ended(attempt.id, Outcome::Unreachable("there is no session with the centre")),
                    None => return,
                },
            }
        }
    }
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<tls::ClientStream>),
}

async fn connect(carrier: &SmppCarrier, tls: &OutgoingTls) -> Result<(String, Stream), &'static str> {
    let password = secret::read(Some(&carrier.password_file)).await?;
    let connecting = TcpStream::connect((carrier.host.as_str(), carrier.port));
    let stream = timeout(carrier.response_timeout, connecting).await;
    let stream =
        stream.map_err(|_| "no connection to the centre in time")?.map_err(|_| "no connection to the centre")?;
    let _ = stream.set_nodelay(true);
    if !carrier.tls {
        return Ok((password, Stream::Plain(stream)));
    }
    let stream = timeout(carrier.response_timeout, tls.connect(&carrier.host, stream)).await;
    let stream = stream.map_err(|_| "no TLS with the centre in time")?.map_err(|why| {
        tracing::warn!(why, "sms_carrier_tls");
        "no TLS with the centre: see the log, and sms.smpp.ca_file"
    })?;
    Ok((password, Stream::Tls(Box::new(stream))))
}

/// One connection to its end; why it ended.
async fn drive<S: AsyncRead + AsyncWrite + Unpin>(
    service: &SmsService,
    carrier: &SmppCarrier,
    password: &str,
    stream: S,
    submits: &mut mpsc::Receiver<Attempt>,
    acknowledged: &mut HashMap<SmsId, usize>,
) -> &'static str {
    let known = std::mem::take(acknowledged);
    let (mut session, first) = match Session::new(clock::now(), carrier, SmppSecret(password), known) {
        Ok(begun) => begun,
        Err(why) => return why,
    };
    let (mut reading, mut writing) = tokio::io::split(stream);
    let mut octets = [0; 4096];
    let mut outputs = first;
    let why = loop {
        if let Some(why) = perform(service, outputs, &mut writing, carrier.response_timeout).await {
            for output in session.handle_input(clock::now(), Input::Lost) {
                if let Output::Ended(id, outcome) = output {
                    service.ended(id, outcome);
                }
            }
            break why;
        }
        let due = session.deadline().map_or_else(|| clock::now() + LASTED, |deadline| deadline.at);
        outputs = tokio::select! {
            read = reading.read(&mut octets) => match read {
                Ok(0) | Err(_) => session.handle_input(clock::now(), Input::Lost),
                Ok(length) => session.handle_input(clock::now(), Input::Received(&octets[..length])),
            },
            submit = submits.recv() => match submit {
                Some(attempt) => session.handle_input(clock::now(), Input::Submit(attempt)),
                None => session.handle_input(clock::now(), Input::Unbind),
            },
            () = sleep_until(due.into()) => session.handle_input(clock::now(), Input::Deadline),
        };
    };
    *acknowledged = session.into_acknowledged();
    why
}

/// Performs outputs; why the connection ends, if it does.
async fn perform<W: AsyncWrite + Unpin>(
    service: &SmsService,
    outputs: Vec<Output>,
    writing: &mut W,
    limit: Duration,
) -> Option<&'static str> {
    let mut closes = None;
    for output in outputs {
        match output {
            Output::Send(octets) => {
                // A centre that does not read would hold the messages of all others.
                if !matches!(timeout(limit, writing.write_all(&octets)).await, Ok(Ok(()))) {
                    closes.get_or_insert("the centre does not read");
                }
            }
            Output::Bound => service.report(CarrierReport::Up),
            Output::Ended(id, outcome) => service.ended(id, outcome),
            Output::Receipt(delivered) => service.receipt(delivered),
            Output::Close(why) => {
                closes.get_or_insert(why);
            }
        }
    }
    closes
}

/// After this time a session has worked.
const LASTED: Duration = Duration::from_secs(60);
