#![doc = include_str!("ARCHITECTURE.md")]

pub mod audio;
pub mod base;
pub mod call;
pub mod config;
pub mod flow;
pub mod inquiry;
pub mod replica;
pub mod rtp;
pub mod sdp;
pub mod shell;
pub mod sip;
pub mod speech;
pub mod studio;
pub mod web;
