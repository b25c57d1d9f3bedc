//! The program as its callers, scanners and operators meet it, and its files as they are shipped. Needs nothing but cargo:
//! what needs another program to be installed is in `tests/peers`.

mod agents;
mod api;
mod breaks;
mod call_sheets;
mod captures;
mod commands;
mod costs;
mod data_folder;
mod deny;
mod drain;
mod duty;
mod examples;
mod feed;
mod fuzz_corpus;
mod hostile;
mod hotline;
mod house;
mod kiosks;
mod marks;
mod mutants;
mod prompts;
mod publish;
mod recording;
mod registrar;
mod replica;
mod sealed;
mod sip_sheets;
mod sms;
mod spoken_values;
mod streams;
mod studio;
mod trunks;
