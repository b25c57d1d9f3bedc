//! A throw-away PostgreSQL, by the script `tests/postgres/cluster`.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::gateway::home;

/// A cluster below one folder, which is stopped and removed when this is dropped; or a database in one that is shared.
pub struct Cluster {
    /// Where everything of it is.
    pub folder: PathBuf,
    /// The database of the cases.
    pub database: String,
    shared: bool,
}

impl Cluster {
    /// A primary with a table of cases, a heartbeat, a publication and a role.
    pub fn make() -> Cluster {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("jindu-pg-{}-{n}", std::process::id()));
        let cluster = Cluster { folder, database: "crj".into(), shared: false };
        cluster.run(&["make"]);
        cluster
    }

    /// A database of its own, set up the same, in a cluster that all tests of this process share: for those that change
    /// nothing of the server. The slot has the database's name.
    pub fn shared(database: &str) -> Cluster {
        Cluster::shared_as(database, "TEMPLATE crj")
    }

    /// The same, without an encoding: it takes any bytes.
    pub fn shared_without_encoding(database: &str) -> Cluster {
        let cluster =
            Cluster::shared_as(database, "TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'");
        for file in ["table.sql", "2-role.sql", "3-publication.sql"] {
            let path = home().join("config/examples/postgres").join(file);
            let sql = std::fs::read_to_string(path).expect("the examples are there");
            // The role is the cluster's, and is there.
            cluster.sql(&sql.lines().filter(|line| !line.contains("ROLE jindu")).collect::<Vec<_>>().join("\n"));
        }
        cluster
    }

    fn shared_as(database: &str, made: &str) -> Cluster {
        static SHARED: OnceLock<PathBuf> = OnceLock::new();
        let folder = SHARED.get_or_init(|| {
            let mut made = Cluster::make();
            made.shared = true;
            made.folder.clone()
        });
        let of = |database: &str| Cluster { folder: folder.clone(), database: database.into(), shared: true };
        of("postgres").sql(&format!("CREATE DATABASE {database} {made}"));
        of(database)
    }

    /// Runs a command of the script.
    pub fn run(&self, words: &[&str]) -> String {
        self.fed(words, "")
    }

    /// Runs SQL on a node as the superuser; gives what it prints.
    pub fn sql_on(&self, node: &str, sql: &str) -> String {
        self.fed(&["sql", node], sql)
    }

    /// The same on the primary.
    pub fn sql(&self, sql: &str) -> String {
        self.sql_on("primary", sql)
    }

    /// Where a node listens.
    pub fn server(&self, node: &str) -> String {
        format!("127.0.0.1:{}", self.run(&["port", node]).trim())
    }

    /// How a client of the tests connects to a node, as the superuser, over its Unix socket.
    pub fn superuser(&self, node: &str) -> String {
        format!(
            "host={} port={} user=postgres dbname={}",
            self.folder.display(),
            self.run(&["port", node]).trim(),
            self.database
        )
    }

    /// The settings of a node that follows it, as `KEY=VALUE`.
    pub fn settings(&self, node: &str) -> Vec<String> {
        let file = |name: &str| self.folder.join(name).display().to_string();
        vec![
            "replica.source=postgres".into(),
            format!("replica.postgres.servers={}", self.server(node)),
            format!("replica.postgres.database={}", self.database),
            format!("replica.postgres.slot={}", if self.shared { &self.database } else { "jindu" }),
            format!("replica.postgres.ca_file={}", file("ca.pem")),
            format!("replica.postgres.password_file={}", file("password")),
            "replica.postgres.heartbeat_every_s=1".into(),
            "replica.postgres.reconnect_most_s=1".into(),
        ]
    }

    fn fed(&self, words: &[&str], input: &str) -> String {
        let mut child = Command::new(script())
            .arg(&self.folder)
            .args(words)
            .env("OWNER", std::process::id().to_string())
            .env("DATABASE", &self.database)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the script can be run");
        child.stdin.take().expect("piped").write_all(input.as_bytes()).expect("it reads");
        let output = child.wait_with_output().expect("it ends");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "cluster {words:?}: {told} (tests/setup installs what is missing)");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // The shared one goes with this process.
        if self.shared {
            return;
        }
        let _ = Command::new(script()).arg(&self.folder).arg("remove").status();
    }
}

fn script() -> PathBuf {
    home().join("tests/postgres/cluster")
}

/// SQL that makes or changes cases `from` to `to` of the examples' table: each is what its number and `round` make it.
pub fn cases(from: u32, to: u32, round: u32) -> String {
    format!(
        "INSERT INTO public.cases SELECT '4401' || lpad(n::text, 11, '0'), 'name ' || n, lpad((n % 10000)::text, 4, '0'),
            (ARRAY['accepted','review','supplement','production','ready','posted','collected','contact'])[1 + (n + {round}) % 8],
            (ARRAY['passport','hkmo_permit','visa'])[1 + n % 3], (ARRAY['new','renewal'])[1 + n % 2],
            (ARRAY['north','south','central'])[1 + n % 3], DATE '2026-01-01' + n % 300, DATE '2026-01-01' + n % 300 + {round} % 60,
            CASE WHEN n % 5 = 0 THEN '[{{\"from\":\"2026-01-03\",\"to\":\"2026-01-05\"}}]'::jsonb END,
            CASE WHEN n % 7 = 0 THEN ARRAY['photo','form'] END, CASE WHEN n % 11 = 0 THEN 'SF' || (100000 + n) END,
            n % 13 = 0, {round}
         FROM generate_series({from}, {to}) n
         ON CONFLICT (receipt) DO UPDATE SET stage = EXCLUDED.stage, stage_on = EXCLUDED.stage_on, version = EXCLUDED.version;"
    )
}
