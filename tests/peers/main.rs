//! The program with those that it works with: SIP telephones and load tools, a proxy and a balancer, a browser, PostgreSQL,
//! encoders and barcodes of others. `tests/setup` installs them.

mod agent_page;
mod barcode;
mod baresip;
mod browser_telephone;
mod desk;
mod example_files;
mod follow;
mod front;
mod kiosk;
mod kiosk_layout;
mod linphone;
mod nodes;
mod nodes_postgres;
mod postgres;
mod prompts;
mod public_page;
mod sipp;
mod sms;
mod srtp;
mod studio_page;
mod tls;
