//! What tests share: a node in a process of its own, a telephone, a browser, a scanner, and fixtures.

pub mod agent_phone;
pub mod browser;
pub mod calendar;
pub mod certificates;
pub mod command;
pub mod corpus;
pub mod folder;
pub mod gateway;
pub mod kiosk;
pub mod linphone;
pub mod media;
pub mod name_server;
pub mod node;
pub mod phone;
pub mod ports;
pub mod postgres;
pub mod recordings;
pub mod scans;
pub mod sms_carrier;
pub mod softphone;
pub mod sound;
pub mod speaker;
pub mod studio;
pub mod wait;
