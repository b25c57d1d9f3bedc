//! The files of `config/examples` pass the checks of the programs that read them.

use std::process::Command;

use support::command::told;
use support::folder::Folder;
use support::gateway::{is_installed, not_run, peer, program};

use crate::front::example::{path, text};

fn passes(command: &mut Command) {
    let output = command.output().expect("the checker runs");
    assert!(output.status.success(), "{command:?}: {}", told(&output));
}

#[test]
fn proxy_and_balancer_accept_their_files() {
    passes(peer("kamailio").args(["-c", "-f"]).arg(path("kamailio.cfg")));
    passes(peer("haproxy").args(["-c", "-f"]).arg(path("haproxy.cfg")));
}

#[test]
fn systemd_accepts_the_unit_and_rates_its_sandbox_as_safe() {
    if !is_installed("systemd-analyze") {
        not_run("systemd is not installed here");
        return;
    }
    let folder = Folder::new();
    let installed = program().display().to_string();
    let unit = folder.file("jindu.service", &text("jindu.service").replace("/opt/jindu/bin/jindu", &installed));
    passes(Command::new("systemd-analyze").arg("verify").arg(&unit));
    passes(Command::new("systemd-analyze").args(["security", "--offline=yes", "--threshold=25"]).arg(&unit));
}

#[test]
fn prometheus_accepts_its_files() {
    if !is_installed("promtool") {
        not_run("promtool is not installed here");
        return;
    }
    passes(Command::new("promtool").args(["check", "rules"]).arg(path("jindu.rules.yml")));
    passes(Command::new("promtool").args(["check", "config"]).arg(path("prometheus.yml")));
}
