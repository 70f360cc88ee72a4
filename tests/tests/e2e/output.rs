//! Where the output of a test and of its goroutines goes, and what a test leaves behind.

use super::project::installed;
use super::scenarios::scenarios;

#[test]
fn output_belongs_to_its_test_when_several_run_at_the_same_time() {
    let arguments = ["test", "--test", "output", "--", "--test-threads", "4"];
    let ran = scenarios().cargo(&arguments).run();
    ran.exits_with(101).says("0 passed; 4 failed");
    for name in ["first", "second", "third", "fourth"] {
        let captured = ran.captured(name);
        for what in ["body", "goroutine"] {
            let line = format!("{what} of {name}\n");
            assert!(captured.contains(&line), "{line}{ran}");
            assert_eq!(captured.matches(&format!("{what} of ")).count(), 1, "{name}\n{ran}");
        }
        let grandchildren = usize::from(matches!(name, "first" | "second"));
        assert_eq!(captured.matches("grandchild of ").count(), grandchildren, "{ran}");
        let ends =
            if name == "fourth" { "Error: gmp: 1 goroutine leaked in fourth" } else { "end of " };
        assert_eq!(captured.matches(ends).count(), 1, "{name}\n{ran}");
    }
    let outside = ran.stdout.split("\nfailures:\n").next().expect("the list of tests");
    assert!(!outside.contains(" of "), "{ran}");
    assert!(!ran.stderr.contains(" of first"), "{ran}");
}

#[test]
fn the_message_in_junit_is_the_first_line_of_the_report() {
    if !installed("nextest") {
        return;
    }
    let project = scenarios();
    let arguments = ["nextest", "run", "-P", "ci", "--test", "hostile"];
    let ran = project.cargo(&arguments).args(&["--", "--exact", "leaks"]).run();
    ran.exits_with(100).says("1 test run: 0 passed, 1 failed");
    let junit = std::fs::read_to_string(project.folder().join("target/nextest/ci/junit.xml"));
    let junit = junit.expect("nextest writes the file");
    let failure = junit.split("<failure ").nth(1).unwrap_or_else(|| panic!("no failure\n{junit}"));
    let message = failure.split("message=\"").nth(1).expect("a message");
    let start = "Error: gmp: 1 goroutine leaked in leaks: ";
    assert!(message.starts_with(start), "{junit}");
}

#[test]
fn nothing_of_a_test_stays_behind() {
    let arguments = ["test", "--test", "traces", "--", "--test-threads", "1"];
    let ran = scenarios().cargo(&arguments).run();
    ran.exits_with(101);
    for name in ["c_leaks", "d_leaks_without_async", "e_is_asleep", "f_is_asleep_without_async"] {
        ran.says(&format!("test {name} ... FAILED"));
        assert!(ran.captured(name).starts_with("Error: gmp: "), "{ran}");
    }
    ran.says("test g_is_clean ... ok").says("test h_everything_was_dropped ... ok");
    if cfg!(target_os = "linux") {
        ran.says("test i_no_thread_is_left ... ok");
    }
    ran.says("4 failed; 0 ignored");
}
