//! Deliberate breaks of the hotline: each is caught, with its code, on its line, in words that say what to do.

use flow::{Diagnostic, Environment, Release, Sources};
use inquiry::NumberError;
use proptest::prelude::ProptestConfig;
use proptest::test_runner::FileFailurePersistence;

const FLOW: &str = include_str!("../../config/hotline/flow.toml");
const SCRIPT: &str = include_str!("../../prompts/script.toml");
const CALENDAR: &str = include_str!("../../config/calendar.toml");

fn environment() -> Environment {
    Environment {
        receipt: Box::new(|_| Err(NumberError::Prefix)),
        receipt_formats: Vec::new(),
        desk_number: "96110110".into(),
    }
}

fn diagnostics(flow: &str, script: &str, calendar: &str) -> Vec<Diagnostic> {
    let sources =
        Sources { flow: ("flow.toml", flow), script: ("script.toml", script), calendar: ("calendar.toml", calendar) };
    match Release::load(sources, environment()) {
        Ok(release) => release.warnings.clone(),
        Err(diagnostics) => diagnostics,
    }
}

/// Replaces `good` by `bad` in one of the files and looks for the diagnostic.
fn caught(text: &str, good: &str, bad: &str, code: &str, words: &[&str]) {
    assert!(text.contains(good), "the break does not apply: {good}");
    let broken = text.replacen(good, bad, 1);
    let pick = |own: &'static str| if own == text { broken.clone() } else { own.to_string() };
    let told = diagnostics(&pick(FLOW), &pick(SCRIPT), &pick(CALENDAR));
    let all: Vec<String> = told.iter().map(ToString::to_string).collect();
    let found = told
        .iter()
        .find(|diagnostic| diagnostic.code == code && words.iter().all(|word| diagnostic.to_string().contains(word)));
    let found = found.unwrap_or_else(|| panic!("no {code} with {words:?} among\n{}", all.join("\n")));
    assert!(!found.remedy.is_empty(), "{found}");
    let line = found.line();
    assert_ne!((&found.message.en, &found.remedy.en), (&found.message.zh, &found.remedy.zh), "{line:#} is in Chinese");
    let lines = broken.lines().count() as u32;
    assert!((1..=lines).contains(&found.line), "{found}");
}

macro_rules! breaks {
    ($($name:ident: $text:ident, $good:expr => $bad:expr, $code:literal, $words:expr;)*) => {
        $(#[test] fn $name() { caught($text, $good, $bad, $code, &$words); })*
    };
}

breaks! {
    a_line_that_is_no_toml: FLOW, "home  = true" => "home  = ", "E00", ["flow.toml:49"];
    a_node_written_twice: FLOW, "[say.bye]" => "[say.low_score]", "E01", ["low_score"];
    a_name_of_two_kinds: FLOW, "[say.hall]" => "[say.halls]", "E01", ["halls"];
    an_unknown_kind_of_node: FLOW, "[menu.guide]" => "[meny.guide]", "E02", ["meny", "menu"];
    a_field_mistyped: FLOW, "give_up = \"bye\"" => "give-up = \"bye\"", "E02", ["give-up", "give_up"];
    a_target_that_does_not_exist: FLOW, "keys.1 = { opt = \"progress\", go = \"receipt\" }" => "keys.1 = { opt = \"progress\", go = \"receit\" }", "E03", ["receit", "receipt"];
    a_target_that_means_nothing: FLOW, "star = \"@home\"" => "star = \"@hame\"", "E03", ["@hame", "@home"];
    a_say_without_next: FLOW, "say  = \"lookup_down\"\nnext = \"desk\"" => "say  = \"lookup_down\"", "E04", ["lookup_down", "next"];
    an_outcome_that_does_not_exist: FLOW, "busy = \"desk_busy\"" => "bussy = \"desk_busy\"", "E05", ["bussy", "busy"];
    an_outcome_left_out: FLOW, ", holiday = \"desk_holiday\" }" => " }", "E06", ["hours desk", "holiday"];
    a_switch_without_a_set: FLOW, "of  = \"case.minor\"" => "of  = \"case.by\"", "E07", ["case.by"];
    a_value_that_no_set_has: FLOW, "keys.1 = { opt = \"guide.passport\",  set = { guide = \"passport\" }" => "keys.1 = { opt = \"guide.passport\",  set = { gide = \"passport\" }", "E34", ["gide"];
    a_state_without_a_way: FLOW, "posted     = \"posted\"\n" => "", "E08", ["switch status", "posted"];
    a_state_that_does_not_exist: FLOW, "ready      = \"st_ready\"" => "raedy      = \"st_ready\"", "E09", ["raedy", "ready"];
    a_hash_without_quotes: FLOW, "keys.pound  = \"receipt\"" => "keys.#      = \"receipt\"", "E00", ["flow.toml", "keys.pound"];
    a_key_that_no_telephone_has: FLOW, "keys.9 = { opt = \"language\"" => "keys.10 = { opt = \"language\"", "E10", ["10"];
    a_hash_for_a_key: FLOW, "keys.pound  = \"receipt\"" => "keys.\"*\"   = \"receipt\"", "E10", [];
    a_key_given_twice: FLOW, "keys.2 = { opt = \"fees\"" => "keys.1 = { opt = \"fees\"", "E11", [];
    no_way_to_give_up: FLOW, "give_up    = \"desk\"\n" => "", "E12", ["give_up"];
    a_key_with_two_jobs: FLOW, "erase     = \"star\"" => "erase     = \"pound\"", "E13", ["end", "erase"];
    a_digit_that_leads_away_from_an_entry: FLOW, "keys.pound  = \"receipt\"" => "keys.7   = \"receipt\"", "E13", [];
    a_time_without_unit: FLOW, "timeout = \"30s\"" => "timeout = \"30\"", "E14", ["transfer agent", "6s"];
    a_look_up_without_source: FLOW, "source  = \"progress\"\n" => "", "E15", ["source"];
    a_node_that_nothing_leads_to: FLOW, "go = \"more\" }" => "go = \"guide\" }", "E20", ["menu more"];
    a_path_without_end: FLOW, "say  = \"bye\"\nnext = \"@end\"" => "say  = \"bye\"\nnext = \"rate\"", "E23", ["rate", "bye"];
    nothing_but_silence_ends_the_call: FLOW, "say  = \"bye\"\nnext = \"@end\"" => "say  = \"bye\"\nnext = \"main\"", "E23", ["bye"];
    a_loop_that_never_asks: FLOW, "say  = \"desk_busy\"\nnext = \"leave\"" => "say  = \"desk_busy\"\nnext = \"desk_busy\"", "E22", ["desk_busy"];
    a_menu_that_silence_never_leaves: FLOW, "give_up = \"bye\"" => "give_up = \"@repeat\"", "E23", ["leave"];
    a_prompt_that_does_not_exist: FLOW, "\"still_there\"" => "\"still_their\"", "E30", ["still_their", "still_there"];
    a_family_with_a_member_missing: SCRIPT, "taiwan    = { zh = \"往来台湾通行证，每张" => "taiwam    = { zh = \"往来台湾通行证，每张", "E31", ["fees.taiwan"];
    a_language_left_out: SCRIPT, "yue = \"多謝來電，再見。\"\n" => "", "E32", ["prompt.bye", "yue"];
    slots_that_differ_between_languages: SCRIPT, "請帶去{case.hall:word}補交" => "請帶去大廳補交", "E33", ["st_supplement", "yue"];
    a_slot_that_nothing_fills: SCRIPT, "zh  = \"留言已登记，编号：{ticket:digits}" => "zh  = \"留言已登记，编号：{tiket:digits}", "E33", ["tiket"];
    a_slot_of_an_unknown_type: SCRIPT, "en = \"It should be finished by {case.by:date}.\"" => "en = \"It should be finished by {case.by:day}.\"", "E35", ["day", "date"];
    a_variable_of_an_unknown_type: FLOW, "\"case.by\"      = \"date\"" => "\"case.by\"      = \"dated\"", "E35", ["dated", "date"];
    a_slot_of_the_wrong_type: FLOW, "\"case.on\"      = \"date\"" => "\"case.on\"      = \"digits\"", "E35", ["st_collected", "digits"];
    a_value_without_a_word: SCRIPT, "visa               = {" => "viza               = {", "E36", ["visa"];
    an_option_without_words: FLOW, "opt = \"guides\"" => "opt = \"gides\"", "E37", ["gides", "guides"];
    a_menu_line_without_its_key: SCRIPT, "zh  = \"{opt}按{key}。\"" => "zh  = \"{opt}。\"", "E33", ["menu_line"];
    a_menu_far_from_a_person: FLOW, "keys       = { 0 = \"desk\", star = \"@home\", pound = \"@back\" }" => "keys       = { pound = \"@back\" }", "E40", ["menu topic"];
    a_value_used_before_it_is_known: FLOW, "go = \"guide\" }" => "go = \"topic\" }", "E41", ["guide"];
    a_secret_in_a_sentence: FLOW, "scan      = true" => "scan      = true\nsecret    = true", "E42", ["receipt_is"];
    a_make_up_day_without_hours: CALENDAR, "mon-fri = [\"09:00-12:00\", \"13:30-17:00\"]" => "sat = [\"09:00-12:00\"]", "E45", ["2026-01-04"];
    a_make_up_day_of_another_desk_without_hours: CALENDAR, "[hall_north]\nweek         = { mon-fri" => "[hall_north]\nweek         = { sat", "E49", ["2026-01-04"];
    a_make_up_day_that_is_a_holiday: CALENDAR, "make_up = [\"2026-01-04\"" => "make_up = [\"2026-01-02\"", "E45", ["2026-01-02"];
    a_script_without_menu_line: SCRIPT, "[menu_line]" => "[prompt.menu_line]", "E38", ["menu_line"];
    a_key_that_reuses_star_for_x: FLOW, "erase     = \"star\"" => "erase     = \"star\"\nstar_is   = \"X\"", "E13", ["star_is"];
    a_day_that_does_not_exist: CALENDAR, "days = [\"2026-07-01..2026-08-31\"" => "days = [\"2026-07-01..2026-06-31\"", "E14", ["2026-06-31"];
    a_calendar_that_does_not_exist: FLOW, "calendar = \"desk\"" => "calendar = \"dask\"", "E46", ["dask", "desk"];
    a_key_that_is_meant_to_differ_and_does_not: FLOW, "keys.pound = { go = \"rate\", differs = true }" => "keys.pound = { go = \"@back\", differs = true }", "W01", ["menu after_hall", "key #"];
    a_key_of_no_menu_that_is_said_to_differ: FLOW, "keys.pound  = \"receipt\"     # as" => "keys.pound  = { go = \"receipt\", differs = true }     # as", "W01", ["id_tail", "key #"];
    an_inherited_key_changed: FLOW, "keys.4 = { opt = \"to_hall.east\",    set = { hall = \"east\" },    go = \"hall\" }" => "keys.star = { opt = \"to_hall.east\",    set = { hall = \"east\" },    go = \"hall\" }", "W01", ["menu halls", "key *"];
    words_that_nothing_says: SCRIPT, "[prompt.bye]" => "[prompt.farewell]\nzh = \"再见。\"\nyue = \"再見。\"\nen = \"Goodbye.\"\n[prompt.bye]", "W02", ["farewell"];
    too_many_options: FLOW, "options       = 6" => "options       = 4", "W03", ["menu halls"];
    a_menu_too_long_to_hear: FLOW, "menu_seconds  = 30" => "menu_seconds  = 5", "W04", ["menu more"];
    a_hash_that_became_a_comment: FLOW, "home   = true" => "# = \"desk\"\nhome   = true", "W05", ["pound"];
    a_proof_that_is_not_secret: FLOW, "secret      = true          # never logged, recorded or spoken\n" => "", "E42", ["id_tail", "secret = true"];
    a_season_without_days: CALENDAR, "days = [\"2026-07-01..2026-08-31\", \"2026-09-21..2026-09-30\"]\n" => "", "W09", ["calendar.peak"];
    a_holiday_that_counts_as_a_working_day: CALENDAR, "\"2026-09-25..2026-09-27\", \"2026-10-01..2026-10-07\",\n" => "\"2026-09-25..2026-09-27\",\n", "W09", ["desk", "2026-10-01"];
    a_holiday_of_the_next_year_that_the_desk_does_not_know: CALENDAR, "\"2026-09-25..2026-09-27\", \"2026-10-01..2026-10-07\",\n" => "\"2026-09-25..2026-09-27\", \"2026-10-01..2026-10-07\", \"2027-10-04\",\n", "W09", ["desk", "2027-10-04"];
    a_make_up_day_that_the_desk_sleeps_through: CALENDAR, "make_up = [\"2026-01-04\", " => "make_up = [", "W09", ["2026-01-04"];
    a_day_named_twice: CALENDAR, "\"2026-01-01..2026-01-03\", \"2026-02-15" => "\"2026-01-01..2026-01-03\", \"2026-01-03\", \"2026-02-15", "W09", ["2026-01-03"];
    notices_without_an_end: CALENDAR, "published_to = \"2026-12-31\"\n" => "", "W09", ["published_to"];
    nothing_proven: FLOW, "keys_to_human = 3 " => "# keys_to_human = 3 ", "W10", ["keys_to_human"];
    a_beep_out_of_nowhere: FLOW, "[record.complaint]\nsay    = \"complaint_ask\"\n" => "[record.complaint]\n", "W11", ["record complaint"];
    a_transfer_to_nowhere: FLOW, "to      = \"desk\"" => "to      = \"dusk\"", "W12", ["dusk", "phone.desk"];
    a_source_that_no_node_has: FLOW, "source  = \"progress\"" => "source  = \"progres\"", "W12", ["progres"];
    languages_offered_in_one: FLOW, "speak = \"native\"            # each option in its own language\n" => "", "W13", ["menu language"];
    a_star_with_two_jobs: FLOW, "keys.pound  = \"receipt\"     # as" => "keys.star  = \"receipt\"     # as", "E16", ["id_tail"];
    a_prompt_that_names_star_twice: SCRIPT, "证件后四位，X按星号键。\"" => "证件后四位，X按星号键，返回按星号键。\"", "E16", ["ask_id_tail", "zh"];
    a_transfer_at_every_hour: FLOW, "[say.too_many]\nsay  = \"too_many_tries\"\nnext = \"desk\"" => "[say.too_many]\nsay  = \"too_many_tries\"\nnext = \"agent\"", "E24", ["transfer agent"];
    a_person_promised_before_the_hours: SCRIPT, "多次未查询到相符记录，需要人工核对。" => "多次未查询到相符记录，正在为您转接。", "E24", ["too_many_tries"];
    a_person_promised_by_a_reprompt: SCRIPT, "Are you still there? Please press a key." => "Press a key, or we put you through.", "E24", ["still_there"];
    a_person_offered_at_every_hour: FLOW, "keys.0 = [{ opt = \"agent\", when = \"open.desk\", go = \"desk\" }, { opt = \"leave_message\", go = \"desk\" }]\nkeys.5" => "keys.0 = { opt = \"agent\", go = \"desk\" }\nkeys.5", "E24", ["menu main", "open.desk"];
    a_choice_that_is_never_reached: FLOW, "{ opt = \"agent\", when = \"open.desk\", go = \"desk\" }" => "{ opt = \"agent\", go = \"desk\" }", "E11", ["key 0"];
    a_notice_that_some_calls_miss: FLOW, "before    = [\"main\", \"desk\", \"staff\", \"receipt\", \"id_tail\", \"after_hall\", \"guide\", \"topic\", \"halls\"]" => "before    = \"main\"", "W15", ["emergency"];
    a_hall_without_a_calendar: FLOW, "calendar = \"hall_{hall}\"" => "calendar = \"hull_{hall}\"", "E46", ["hull_west", "hall_west"];
    the_days_of_no_calendar: CALENDAR, "same_days_as = \"desk\"" => "same_days_as = \"dask\"", "E46", ["dask", "desk"];
    a_calendar_of_no_set: FLOW, "calendar = \"hall_{hall}\"" => "calendar = \"hall_{hill}\"", "E34", ["hill"];
    hours_that_nobody_asked_for: FLOW, "say  = \"bye\"\nnext" => "say  = \"hall_now.{hours.now}\"\nnext", "E41", ["hours.now"];
    a_notice_of_hours_that_are_not_known_there: FLOW, "say    = \"peak_notice\"" => "say    = \"hall_now.{hours.now}\"", "E41", ["hours.now", "main"];
    a_position_before_the_wait: FLOW, "queue    = \"desk\"\nmusic" => "queue    = \"desk\"\nsay      = \"queue_place.{queue.standing}\"\nmusic", "E41", ["queue.standing"];
    a_closing_time_while_closed: SCRIPT, "unsaid = { zh = \"人工咨询电话：{desk.number:digits}。\", yue = \"人工諮詢電話：{desk.number:digits}。\", en = \"The desk's number is {desk.number:digits}.\" }" => "unsaid = { zh = \"{hours.until:time}{desk.number:digits}。\", yue = \"{hours.until:time}{desk.number:digits}。\", en = \"{hours.until:time} {desk.number:digits}.\" }", "E41", ["hours.until"];
    no_limit_of_the_wait: FLOW, "answer_seconds = 35 " => "# answer_seconds = 35 ", "W10", ["answer_seconds"];
    a_state_that_cases_have_and_the_flow_has_not: FLOW, "\"ready\", \"posted\", \"collected\", \"contact\"]" => "\"ready\", \"collected\", \"contact\"]", "W06", ["posted"];
}

#[test]
fn a_flow_that_no_path_ends() {
    let told = diagnostics(&FLOW.replace("\"@end\"", "\"main\""), SCRIPT, CALENDAR);
    assert!(told.iter().any(|diagnostic| diagnostic.code == "E21"), "{told:?}");
}

#[test]
fn one_run_reports_every_diagnostic_of_every_file() {
    let flow = FLOW
        .replacen("opt = \"progress\", go = \"receipt\"", "opt = \"progress\", go = \"receit\"", 1)
        .replacen("opt = \"guides\"", "opt = \"gides\"", 1);
    let script = SCRIPT.replacen("yue = \"多謝來電，再見。\"\n", "", 1);
    let calendar = CALENDAR.replacen("make_up = [", "makeup = [", 1);
    let told = diagnostics(&flow, &script, &calendar);
    let codes: Vec<&str> =
        told.iter().filter(|diagnostic| diagnostic.is_error()).map(|diagnostic| diagnostic.code).collect();
    assert_eq!(codes, ["E02", "E03", "E37", "E32"]);
}

#[test]
fn checking_costs_little() {
    for _ in 0..20 {
        assert!(diagnostics(FLOW, SCRIPT, CALENDAR).iter().all(|diagnostic| !diagnostic.is_error()));
    }
}

proptest::proptest! {
    #![proptest_config(ProptestConfig {
        cases: 150,
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("proptest-regressions"))),
        ..ProptestConfig::default()
    })]

    /// Any text that an editor leaves is read or gets a diagnostic, and nothing panics.
    #[test]
    fn a_mangled_file_is_read_or_gets_a_diagnostic(
        file in 0usize..3, from in 0usize..20_000, length in 0usize..80, put in "[\\[\\]{}=\"#@.a0\n-]{0,6}",
    ) {
        let mut texts = [FLOW.to_string(), SCRIPT.to_string(), CALENDAR.to_string()];
        let characters: Vec<char> = texts[file].chars().collect();
        let from = from % characters.len();
        let to = (from + length).min(characters.len());
        texts[file] = characters[..from].iter().chain(put.chars().collect::<Vec<_>>().iter()).chain(&characters[to..]).collect();
        let [flow, script, calendar] = &texts;
        for diagnostic in diagnostics(flow, script, calendar) {
            assert!(diagnostic.line >= 1 && !diagnostic.message.is_empty());
        }
    }
}
