//! What can be looked at: names and types as clients of 000 know them.

use protocol::control::{
    ArchiveList, Failure, FailureCode, NodeRef, Page, Reply, Request, RunList,
};
use serde_json::{Value, json};

use crate::support::{Fake, GOOD, JOB, RUN, Server, ask_with, reply};

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[track_caller]
fn has_keys(value: &Value, wanted: &[&str]) {
    let keys = keys(value);
    for key in wanted {
        assert!(keys.contains(key), "{key} is not in {keys:?}");
    }
}

#[tokio::test]
async fn health_says_what_000_says_and_how_the_node_is() {
    let server = Server::start(Fake::new()).await;
    let health = server.ask("GET", "/api/v1/health").await.ok(200);
    assert_eq!(health["status"], "ok");
    assert_eq!(health["instance_name"], "jerry");
    assert_eq!(health["instance_url"], "https://jerry.example.org");
    assert_eq!(health["yunohost_version"], "12.1.17");
    assert_eq!(health["disk"]["total_bytes"], 100_000_000_000_u64);
    assert_eq!(health["mesh"]["members"], 2);
    assert_eq!(health["health"], "amber");
    assert_eq!(health["time"], "2026-05-08T03:00:05.000+00:00");
    assert!(!health.to_string().contains("/var/lib"));
}

#[tokio::test]
async fn jobs_have_the_fields_of_the_table_and_numbers_as_ids() {
    let server = Server::start(Fake::new()).await;
    let jobs = server.ask("GET", "/api/v1/jobs").await.ok(200);
    let job = &jobs["jobs"][0];
    assert_eq!(job["id"], JOB);
    assert_eq!(job["type"], "ynh_app");
    assert_eq!(job["config"], json!({ "app_id": "nextcloud", "core_only": true }));
    assert_eq!(job["core_only"], true);
    assert_eq!(job["cron_expr"], "0 3 * * *");
    assert_eq!((&job["retention_mode"], &job["retention_value"]), (&json!("daily"), &json!(7)));
    assert_eq!(job["created_at"], "2026-05-07T03:00:00.000+00:00");
    assert_eq!(job["next_run_at"], "2026-05-09T03:00:00.000+00:00");
    assert_eq!(job["last_run"]["id"], RUN);
    assert!(!jobs.to_string().contains("hunter22"), "a list has no variables of commands");
    has_keys(job, &["name", "enabled", "updated_at", "last_run"]);
}

#[tokio::test]
async fn all_pages_of_a_list_are_told() {
    let fake = Fake::saying(|request| {
        let Request::JobList(Page { from, .. }) = request else { return None };
        let Ok(Reply::Jobs(mut jobs)) = reply(request) else { return None };
        jobs.jobs[0].number = *from;
        jobs.next = (*from < 3).then_some(from + 1);
        Some(Ok(Reply::Jobs(jobs)))
    });
    let server = Server::start(fake).await;
    let jobs = server.ask("GET", "/api/v1/jobs").await.ok(200);
    let ids: Vec<_> = jobs["jobs"].as_array().unwrap().iter().map(|job| &job["id"]).collect();
    assert_eq!(ids, [0, 1, 2, 3]);
}

#[tokio::test]
async fn a_list_that_never_ends_is_cut_off() {
    let fake = Fake::saying(|request| {
        let Request::JobList(Page { from, .. }) = request else { return None };
        let Ok(Reply::Jobs(mut jobs)) = reply(request) else { return None };
        jobs.next = Some(from + 1);
        Some(Ok(Reply::Jobs(jobs)))
    });
    let server = Server::start(fake).await;
    let jobs = server.ask("GET", "/api/v1/jobs").await.ok(200);
    assert_eq!(jobs["jobs"].as_array().unwrap().len(), 64);
}

#[tokio::test]
async fn runs_come_with_their_words_and_what_they_said() {
    let server = Server::start(Fake::new()).await;
    let answer = server.ask("GET", "/api/v1/jobs/3/runs?limit=7&before=99").await;
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let runs = answer.ok(200);
    let asked = server.fake.asked.lock().unwrap().clone();
    let job = Some("cloud".parse().unwrap());
    assert!(asked.contains(&Request::RunList(RunList { job, before: Some(99), limit: 7 })));
    let run = &runs["runs"][0];
    assert_eq!((&run["id"], &run["job_id"]), (&json!(RUN), &json!(JOB)));
    assert_eq!((&run["status"], &run["warnings"]), (&json!("success"), &json!(1)));
    assert_eq!(run["log_text"], "backing up nextcloud\na.log changed while it was read\n");
    assert_eq!(run["archive_name"], "jerry_nextcloud_20260508");
    assert_eq!(run["size_bytes"], 52_428_800);
    assert_eq!(run["finished_at"], "2026-05-08T03:01:01.500+00:00");
    let failed = &runs["runs"][1];
    assert_eq!(failed["status"], "error");
    assert_eq!((&failed["archive_name"], &failed["size_bytes"]), (&Value::Null, &Value::Null));
    assert_eq!(failed["failure"]["error"], "damaged");
}

#[tokio::test]
async fn transcripts_of_a_page_are_bounded_and_can_be_left_out() {
    let fake = Fake::saying(|request| {
        let Request::RunList(_) = request else { return None };
        let Ok(Reply::Runs(runs)) = reply(request) else { return None };
        Some(Ok(Reply::Runs(vec![runs[0].clone(); 30])))
    });
    let server = Server::start(fake).await;
    let told = async |path| {
        let runs = server.ask("GET", path).await.ok(200);
        let runs = runs["runs"].as_array().unwrap().clone();
        runs.iter().filter(|run| run["log_text"].is_string()).count()
    };
    assert_eq!(told("/api/v1/jobs/3/runs").await, 20);
    assert_eq!(told("/api/v1/jobs/3/runs?log=0").await, 0);
}

#[tokio::test]
async fn a_run_whose_transcript_is_gone_is_listed_all_the_same() {
    let fake = Fake::saying(|request| {
        let gone = || Failure::new(FailureCode::NotFound, "cannot show run", "it is forgotten");
        matches!(request, Request::RunShow { .. }).then(|| Err(gone()))
    });
    let server = Server::start(fake).await;
    let runs = server.ask("GET", "/api/v1/jobs/3/runs").await.ok(200);
    assert_eq!(runs["runs"][0]["log_text"], Value::Null);
}

#[tokio::test]
async fn one_run_is_shown_with_its_job() {
    let server = Server::start(Fake::new()).await;
    let run = server.ask("GET", "/api/v1/runs/41").await.ok(200);
    assert_eq!((&run["id"], &run["job_id"]), (&json!(RUN), &json!(JOB)));
    server.ask("GET", "/api/v1/runs/42").await.refused(404, "not_found");
}

#[tokio::test]
async fn archives_of_all_nodes_are_listed_newest_first_without_sealed_ones() {
    let server = Server::start(Fake::new()).await;
    let archives = server.ask("GET", "/api/v1/archives").await.ok(200);
    assert_eq!(archives["total"], 2);
    let [ours, of_tom] = &archives["archives"].as_array().unwrap()[..] else { panic!("two") };
    assert_eq!((&ours["app"], &ours["type"]), (&json!("nextcloud"), &json!("ynh_app")));
    assert_eq!(ours["instance_name"], "jerry");
    assert_eq!(ours["sha256"], "5".repeat(64));
    assert_eq!(ours["file"], "jerry_nextcloud_20260508.tar");
    assert_eq!(ours["where"]["local"], true);
    assert_eq!(ours["where"]["holders"][1]["state"], "fetching");
    assert_eq!((&of_tom["app"], &of_tom["where"]["local"]), (&json!("www"), &json!(false)));
    assert!(!archives.to_string().contains("yunohost.backup"));
}

#[tokio::test]
async fn a_part_of_ten_thousand_archives_is_told() {
    let fake = Fake::saying(|request| {
        let Request::ArchiveList(ArchiveList { page, .. }) = request else { return None };
        let Ok(Reply::Archives(mut archives)) = reply(request) else { return None };
        let one = archives.archives.remove(2);
        let numbers = (page.from..10_000).take(page.limit as usize);
        archives.archives = numbers
            .map(|number| {
                let mut archive = one.clone();
                archive.name = Some(format!("a{number}"));
                archive
            })
            .collect();
        let next = page.from + u64::from(page.limit);
        archives.next = (next < 10_000).then_some(next);
        Some(Ok(Reply::Archives(archives)))
    });
    let server = Server::start(fake).await;
    let all = server.ask("GET", "/api/v1/archives").await.ok(200);
    assert_eq!(all["archives"].as_array().unwrap().len(), 10_000);
    let part = server.ask("GET", "/api/v1/archives?limit=2&offset=1").await.ok(200);
    assert_eq!(part["total"], 10_000);
    assert_eq!(part["archives"][0]["name"], "a9998");
    assert_eq!(part["archives"].as_array().unwrap().len(), 2);
    let beyond = server.ask("GET", "/api/v1/archives?offset=18446744073709551615").await.ok(200);
    assert_eq!(beyond["archives"], json!([]));
}

#[tokio::test]
async fn lists_can_be_of_one_job_or_node() {
    let server = Server::start(Fake::new()).await;
    server.ask("GET", "/api/v1/archives?job=cloud&node_of=tom").await.ok(200);
    let Request::ArchiveList(asked) = server.fake.last() else { panic!("a list") };
    assert_eq!(asked.job.unwrap().as_str(), "cloud");
    assert_eq!(asked.node_of, Some(NodeRef::Name("tom".parse().unwrap())));
}

#[tokio::test]
async fn an_archive_says_what_it_says_of_itself_but_not_of_ours() {
    let server = Server::start(Fake::new()).await;
    let info = server.ask("GET", "/api/v1/archives/jerry_nextcloud_20260508/info").await.ok(200);
    assert_eq!(info["backupmanager_version"], "0.1.0");
    assert_eq!(info["created_at"], "2026-05-08T03:00:00+00:00");
    assert_eq!(info["yunohost"]["size"], 52_428_800);
    assert_eq!(info["archive"]["name"], "jerry_nextcloud_20260508", "not what the archive says");
    assert_eq!(info["name"], "jerry_nextcloud_20260508");
    server.ask("GET", "/api/v1/archives/nothing/info").await.refused(404, "not_found");
}

#[tokio::test]
async fn an_archive_without_a_description_still_has_the_fields_of_one() {
    for text in [None, Some("[]"), Some("no json")] {
        let fake = Fake::saying(move |request| {
            let Ok(Reply::ArchiveInfo(mut info)) = reply(request) else { return None };
            info.backup_info = text.map(str::to_owned);
            info.info = text.map(str::to_owned);
            Some(Ok(Reply::ArchiveInfo(info)))
        });
        let server = Server::start(fake).await;
        let path = "/api/v1/archives/jerry_nextcloud_20260508/info";
        let info = server.ask("GET", path).await.ok(200);
        assert_eq!((&info["app"], &info["type"]), (&json!("nextcloud"), &json!("ynh_app")));
        assert_eq!(info["yunohost"], Value::Null);
    }
}

#[tokio::test]
async fn members_are_paged_and_searched() {
    let server = Server::start(Fake::new()).await;
    let path = "/api/v1/archives/jerry_nextcloud_20260508/contents";
    let query = "?pattern=*.yml&pattern=a%20b&from=5&limit=9&node_of=tom";
    let contents = server.ask("GET", &format!("{path}{query}")).await.ok(200);
    assert_eq!(contents["entries"][0]["path"], "apps/nextcloud/settings.yml");
    assert_eq!(contents["entries"][0]["mode"], "0640");
    assert_eq!(contents["next"], 17);
    let Request::ArchiveContents(asked) = server.fake.last() else { panic!("contents") };
    assert_eq!(asked.patterns, ["*.yml", "a b"]);
    assert_eq!(asked.page, Page { from: 5, limit: 9 });
    for wrong in ["?from=x", "?limit=-1", "?limit=0", "?limit=5000", "?colour=red", "?pattern="] {
        server.ask("GET", &format!("{path}{wrong}")).await.refused(400, "invalid");
    }
}

#[tokio::test]
async fn members_are_looked_for_in_a_folder_and_by_a_text() {
    let server = Server::start(Fake::new()).await;
    let path = "/api/v1/archives/jerry_nextcloud_20260508/contents";
    for (query, dir, search) in [
        ("", None, None),
        ("?dir=./apps//x/", Some("apps/x"), None),
        ("?dir=caf%5Cxe9&search=A%20b", Some("caf\\xe9"), Some("A b")),
        ("?dir=.&search=..", None, Some("..")),
    ] {
        server.ask("GET", &format!("{path}{query}")).await.ok(200);
        let Request::ArchiveContents(asked) = server.fake.last() else { panic!("contents") };
        assert_eq!(asked.dir.map(|dir| dir.to_string()).as_deref(), dir, "{query}");
        assert_eq!(asked.search.as_deref(), search, "{query}");
    }
    let long = format!("?search={}", "x".repeat(257));
    for wrong in
        ["?search=", "?dir=..", "?dir=a/../b", "?dir=/etc", "?dir=a%00", "?dir=%5Cx", &long]
    {
        server.ask("GET", &format!("{path}{wrong}")).await.refused(400, "invalid");
    }
}

#[tokio::test]
async fn nodes_workers_store_and_retention_are_told() {
    let server = Server::start(Fake::new()).await;
    let nodes = server.ask("GET", "/api/v1/nodes").await.ok(200);
    assert_eq!(nodes["nodes"][0]["name"], "tom");
    assert_eq!(nodes["nodes"][0]["last_seen"], "2026-05-08T03:00:01.000+00:00");
    let workers = server.ask("GET", "/api/v1/workers").await.ok(200);
    assert_eq!(workers["workers"][0]["progress"]["percent"], 25);
    let store = server.ask("GET", "/api/v1/store").await.ok(200);
    assert_eq!(store["objects"], 300);
    assert!(!store.to_string().contains("/var/lib"));
    let retention = server.ask("GET", "/api/v1/jobs/3/retention").await.ok(200);
    assert_eq!(retention["archives"][0]["reason"], "the newest of 2026-05-08");
    assert!(server.fake.last().only_looks());
}

#[tokio::test]
async fn a_list_that_did_not_change_is_not_sent_again() {
    let server = Server::start(Fake::new()).await;
    for path in ["/api/v1/jobs", "/api/v1/archives", "/api/v1/jobs/3/runs", "/api/v1/nodes"] {
        let first = server.ask("GET", path).await;
        first.ok(200);
        let tag = first.header("etag").unwrap();
        let head = format!("X-BackupManager-Key: {GOOD}\r\nIf-None-Match: {tag}\r\n");
        let again = ask_with(server.address, "GET", path, &head, "").await;
        assert_eq!((again.status, again.body.as_str()), (304, ""), "{path}");
        assert_eq!(again.header("etag"), Some(tag));
        let other = format!("X-BackupManager-Key: {GOOD}\r\nIf-None-Match: \"x\"\r\n");
        ask_with(server.address, "GET", path, &other, "").await.ok(200);
    }
}

#[tokio::test]
async fn a_node_that_answers_something_else_is_an_error_of_ours() {
    let server = Server::start(Fake::saying(|_| Some(Ok(Reply::Done)))).await;
    for path in ["health", "jobs", "jobs/3", "runs/1", "archives", "nodes", "workers", "store"] {
        server.ask("GET", &format!("/api/v1/{path}")).await.refused(500, "internal");
    }
}

#[tokio::test]
async fn each_failure_has_its_status() {
    for (code, status, word) in [
        (FailureCode::NotFound, 404, "not_found"),
        (FailureCode::Busy, 409, "busy"),
        (FailureCode::Refused, 403, "refused"),
        (FailureCode::Unreachable, 502, "unreachable"),
        (FailureCode::NoSpace, 507, "no_space"),
        (FailureCode::Unsupported, 501, "unsupported"),
        (FailureCode::Internal, 500, "internal"),
    ] {
        let server = Server::start(Fake::failing(code)).await;
        for path in ["/api/v1/jobs", "/api/v1/jobs/3/runs", "/api/v1/archives/x/info"] {
            let told = server.ask("GET", path).await.refused(status, word);
            assert_eq!(told["message"], "cannot do it: for a reason");
        }
    }
}

#[tokio::test]
async fn a_node_that_breaks_is_an_error_of_ours_and_goes_on() {
    let breaks = |request: &Request| match request {
        Request::Workers => panic!("at /var/lib/secret"),
        _ => None,
    };
    let server = Server::start(Fake::saying(breaks)).await;
    let told = server.ask("GET", "/api/v1/workers").await.refused(500, "internal");
    assert!(!told.to_string().contains("secret"));
    server.ask("GET", "/api/v1/health").await.ok(200);
}
