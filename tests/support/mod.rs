//! What the tests over real sockets share: a gateway in a process of its own, and a telephone.
#![allow(dead_code)]

pub mod browser;
pub mod gateway;
pub mod node;
pub mod phone;
pub mod scans;
pub mod softphone;
pub mod sound;
pub mod studio;
