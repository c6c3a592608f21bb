//! Small valid inputs of every target, made by the code that writes such files where there is any, so that they follow
//! its formats. `fuzz/corpus/` holds a copy of them, and what fuzzing found beyond; `--ignored` writes it anew.
//! Must not know what targets do.

use crate::entry::{self, join, run_folder::finished};
use crate::gguf::{Bert, Model, Weights};
use arrow_array::builder::{FixedSizeListBuilder, Float32Builder, ListBuilder};
use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use serde_json::json;
use std::path::Path;
use std::sync::Arc;
use windtunnel::experiment::{RunOptions, fit::fit_and_save};
use windtunnel::llm::tape::Key;
use windtunnel::llm::{ChatRequest, Message, Role, Sampling};
use windtunnel::progress::Quiet;
use windtunnel::recommender::dense::Matrix;
use windtunnel::recommender::model_file;
use windtunnel::scenario::Scenario;

/// Files of one input.
type Files<'a> = &'a [(&'a str, &'a str)];

/// The seeds of a target.
pub fn of(target: &str) -> Vec<Vec<u8>> {
    match target {
        "dataset_agent4rec" | "dataset_coat" | "dataset_csv" | "dataset_jester" | "dataset_movielens"
        | "dataset_sequences" => texts(datasets(target)),
        "event_parquet" => vec![event_file()],
        "gguf_header" => ggufs(),
        "llm_reply" => replies(),
        "llm_tape_lines" => tapes(),
        "model_files" => models(),
        "npy" => arrays(),
        "off_policy_csv" => texts(LOGS),
        "plugin_message" => ANSWERS.iter().map(|lines| lines.as_bytes().to_vec()).collect(),
        "profiles" => PROFILES.iter().map(|text| text.as_bytes().to_vec()).collect(),
        "recorded_transcript" => texts(RECORDS),
        "run_folder" => run_folders(),
        "scenario_toml" => scenarios(),
        "vector_files" => vectors(),
        other => panic!("no seeds for the target {other:?}"),
    }
}

fn texts(inputs: &[Files<'_>]) -> Vec<Vec<u8>> {
    let bytes = |files: &Files<'_>| {
        join(&files.iter().map(|(name, text)| (*name, text.as_bytes())).collect::<Vec<_>>())
    };
    inputs.iter().map(bytes).collect()
}

fn datasets(target: &str) -> &'static [Files<'static>] {
    match target {
        "dataset_agent4rec" => &[&[
            ("cf_data/train.txt", "0 1 2 3\n1 2\n"),
            ("cf_data/valid.txt", "0 4\n1\n"),
            ("cf_data/test.txt", "0 5\n1 3\n"),
            (
                "simulation/movie_detail.csv",
                "movie_id,title,genres,rating,summary\n1,Heat (1995),Action|Crime,8.2,\"A thief, a cop.\"\n2,Ugetsu,,,\n",
            ),
            ("simulation/user_statistic.csv", "user_id,activity,diversity,conformity\n0,1,2,3\n1,3,3,1\n"),
            ("simulation/all_personas_like.csv", ",taste\n0,likes crime| likes war\n1,likes all\n"),
        ]],
        "dataset_coat" => &[&[
            ("train.ascii", "5 0 3\n0 2 1\n4 0 0"),
            ("test.ascii", "0 2 0\n1 0 0\n0 5 4\n"),
            ("item_features.ascii", "1 0 1\n0 1 0\n0 1 1\n"),
            ("item_features_map.txt", "gender:men\ngender:women\nonfrontpage:yes"),
            ("user_features.ascii", "1 0\n0 1\n1 0\n"),
            ("user_features_map.txt", "age:20-30\nage:over 60"),
            ("params.toml", "min_rating = 2.0\n"),
        ]],
        "dataset_csv" => &[
            &[
                ("data", "user_id,item_id,rating,timestamp\n1,10,4,7\n1,20,3.5,8\n2,10,5,9.5\n"),
                ("items", "item_id,title\n10,Heat (1995)\n20,\"Persuasion, or Not\"\n"),
            ],
            &[
                (
                    "params.toml",
                    "header = false\ndelimiter = ';'\nuser = 2\nitem = 1\nrating = 3\nrating_range = [1.0, 5.0]\n[items]\n\
                     header = false\nid = 1\ntitle = 2\ngenres = 3\nyear = 4\nsummary = 5\ngenre_separator = '/'\n",
                ),
                ("data", "10;1;4\n20;2;5\n"),
                ("items", "10,Heat,Crime/Action,1995.0,x\n"),
            ],
        ],
        "dataset_jester" => &[
            &[("ratings.csv", "1.5,99\n-9.95,3\n"), ("jokes.json", "{\"1\": \"Why?\", \"2\": \"Because.\"}")],
            &[
                ("ratings.csv", "2,1.5,3\n1,99,-2\n"),
                ("params.toml", "min_rating = -5.0\nobserved_share = 0.5\n"),
            ],
        ],
        "dataset_movielens" => &[
            &[
                ("ratings.dat", "1::10::4::7\n2::20::5::8\n"),
                ("movies.dat", "10::Heat (1995)::Action|Crime\n20::Persuasion (1995)::Romance\n"),
                ("users.dat", "1::F::1::10::48067\n"),
            ],
            &[
                ("u.data", "1\t10\t4\t7\n"),
                ("u.item", "10|Heat (1995)|01-Jan-1995||http://x|0|1|0|0|0|0|1|0|0|0|0|0|0|0|0|0|0|0|0\n"),
                ("u.user", "1|24|M|technician|85711\n"),
                ("u.genre", "unknown|0\nAction|1\n"),
            ],
            &[
                ("x.inter", "user_id:token\titem_id:token\trating:float\ttimestamp:float\n1\t10\t4\t7\n"),
                (
                    "x.item",
                    "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n10\tHeat\t1995\tCrime\n",
                ),
                ("x.user", "user_id:token\tage:token\n1\t24\n"),
            ],
            &[
                ("ratings.csv", "userId,movieId,rating,timestamp\n2,10,5,8\n"),
                ("movies.csv", "movieId,title,genres\n10,Heat (1995),Action|Crime\n"),
            ],
        ],
        _ => &[
            &[("data", "u1 3 1 2\nu2 2 3\n"), ("items", "item_id,title\n1,Heat\n2,Ugetsu\n")],
            &[("data", "1 10 11 10\r\n2 11")],
        ],
    }
}

/// Logs of the Open Bandit Dataset, and what a run keeps of arms that explore.
const LOGS: &[Files<'static>] = &[
    &[
        (
            "log.csv",
            "timestamp,item_id,position,click,propensity_score,user_feature_0\n2019-11-24 00:00:11,3,1,0,0.05,a\n\
             2019-11-24 00:00:11,4,2,1,0.05,a\n2019-11-24 00:00:12,0,3,0,0.1,b\n2019-11-24 00:00:13,3,1,1,0.5,b\n",
        ),
        (
            "target.csv",
            "timestamp,item_id,position,click,action_prob,user_feature_0\n1,3,1,1,0.9,a\n2,4,2,0,0.9,b\n3,0,3,1,1,b\n",
        ),
    ],
    &[(
        "policies.csv",
        "logging,target,user,place,item,shown,watched,liked,p_behaviour,p_behaviour_marginal,p_target,p_target_marginal\n\
         soft,mf,1,1,5,1,1,0,0.3,0.3,1,1\nsoft,mf,1,1,6,0,,,,0.2,,0.5\n",
    )],
];

/// A line a message: the answer to the greeting, to a batch of two, and so on.
const ANSWERS: &[&str] = &[
    "{\"protocol\": 1, \"id\": ID}\n{\"protocol\": 1, \"id\": ID, \"lists\": [[\"i1\", \"i3\", \"i5\"], [\"i6\", \"i7\"]]}\n\
     {\"protocol\": 1, \"id\": ID, \"lists\": [[\"i1\"]]}\n{\"protocol\": 1, \"id\": ID, \"lists\": [[\"i1\", \"i3\", \"i5\"], \
     [\"i6\", \"i7\"]]}\n{\"protocol\": 1, \"id\": ID, \"lists\": [[\"i7\"]]}",
    "{\"protocol\": 1, \"id\": ID, \"more\": {}}\n{\"protocol\": 1, \"id\": ID, \"error\": \"out of \\u001b[2J memory\"}",
    "{\"protocol\": 2, \"id\": 1}",
    "{\"protocol\": 1, \"id\": ID}\n{\"protocol\": 1, \"id\": ID, \"lists\": [[\"i0\", \"i1\", \"i1\"], [\"i4\", \"x\"]]}",
];

/// Files of profiles, of personas, of parameters.
const PROFILES: &[&str] = &[
    "about = \"two\"\nsplit = \"ab\"\n[items]\n1 = \"A film.\"\n\"a.b\" = '''\nMore\n'''\n[users]\n1 = \"x\"\n",
    "about = \"personas\"\n[users.1]\ntaste = [\"likes war\", \"dislikes noise\"]\n[users.\"2\"]\ntaste = []\n",
    include_str!("../../agents/choice/reasoned.toml"),
];

/// Sessions, and the calls behind them.
const RECORDS: &[Files<'static>] = &[
    &[
        (
            "record.jsonl",
            "{\"agent\": 7, \"pages\": [{\"page\": 1, \"shown\": [3, 5], \"held_out\": [5], \"aligned\": [1], \"watched\": [1], \
             \"rating\": [4], \"next\": \"NEXT\"}, {\"page\": 2, \"shown\": [\"8\"], \"aligned\": [], \"watched\": [], \"rating\": [], \
             \"next\": null}], \"exit_page\": 2, \"satisfaction\": 6}\n",
        ),
        (
            "calls.jsonl",
            "{\"agent\": 7, \"page\": 1, \"kind\": \"decide\", \"prompt\": \"\", \"response\": \"POSITIVE: yes. [NEXT]\"}\n",
        ),
    ],
    &[(
        "record.jsonl",
        "{\"agent\": 1, \"page\": 1, \"kind\": \"page\", \"prompt\": \"PAGE 1\\n<- Heat (1995) -> <- History ratings: 4.10 -> <- \
         Summary: A thief. ->\\n<- Lion King, The (1994) -> <- History ratings: 3.9 -> <- Summary: A lion. ->\\n\", \"response\": \
         \"MOVIE: Heat (1995); ALIGN: yes; REASON: I like crime\\nMOVIE: The Lion King; ALIGN: no; REASON: too loud\\nNUM: 1; \
         WATCH: Heat (1995)\\nMOVIE: Heat (1995); RATING: 4; FEELING: gripping\"}\n{\"agent\": 1, \"page\": 1, \"kind\": \"decide\", \
         \"prompt\": \"\", \"response\": \"POSITIVE: fine\\n[EXIT]; Reason: tired\"}\n{\"agent\": 1, \"page\": null, \"kind\": \
         \"interview\", \"prompt\": \"\", \"response\": \"RATING: 7\\nREASON: a good list\"}\n",
    )],
];

/// What servers answer; the first byte is chosen so that the status is good and a page has one slot to five.
fn replies() -> Vec<Vec<u8>> {
    let page = r#"{"1":"no","2":{"rating":5,"feeling":"a joy"},"3":"fits","thought":"curious","satisfaction":7,"fatigue":2,"next":true}"#;
    let said = |first: u8, content: &str| {
        let body = json!({"choices": [{"message": {"role": "assistant", "content": content}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 5, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 3}}});
        [vec![first], body.to_string().into_bytes()].concat()
    };
    vec![
        said(16, page),
        said(0, "```json\n{\"why\": \"tired\", \"next\": false}\n```"),
        said(0, r#"{"why": "it was fine", "satisfaction": 8}"#),
        said(8, r#"{"taste": ["likes war", "dislikes noise"]}"#),
        [
            b"\x04".as_slice(),
            br#"{"error": {"message": "no", "type": "invalid_request_error", "code": "bad_model"}}"#,
        ]
        .concat(),
        [
            b"\0".as_slice(),
            br#"{"data": [{"index": 1, "embedding": [1, 2.5, -3e2]}, {"index": 0, "embedding": [0, 0, 1]}]}"#,
        ]
        .concat(),
        [b"\x10".as_slice(), b"[2, 3, 1]"].concat(),
    ]
}

/// A call that ended well and one that did not, with the keys of what they ask.
fn tapes() -> Vec<Vec<u8>> {
    let line = |content: &str, outcome: (&str, serde_json::Value)| {
        let sampling = Sampling { temperature: 0.5, top_p: 1.0, max_tokens: 20, seed: 3 };
        let messages = vec![Message { role: Role::User, content: content.to_owned() }];
        let request =
            ChatRequest { messages, sampling, shape: None, stream: "agent 1".to_owned(), speaker: 1 };
        let mut call = json!({
            "key": Key::of("tiny", &request).to_string(), "model": "tiny", "stream": "agent 1",
            "sampling": {"temperature": 0.5, "top_p": 1.0, "max_tokens": 20, "seed": 3},
            "messages": [{"role": "user", "content": content}], "shape": null, "created_at": 7,
        });
        call[outcome.0] = outcome.1;
        call.to_string()
    };
    let usage = json!({"prompt_tokens": 5, "cached_tokens": 0, "completion_tokens": 2});
    let reply = json!({"text": "yes", "finish": "stop", "usage": usage, "latency_ms": 3, "n_retries": 0});
    let lines = [
        line("Well?", ("reply", reply)),
        line("And?", ("failure", json!({"kind": "refused", "detail": "status 400"}))),
        line(
            "So?",
            ("failure", json!({"kind": "exhausted", "detail": {"n_attempts": 3, "last": "status 500"}})),
        ),
    ]
    .join("\n");
    let place = tempfile::tempdir().expect("a temporary folder");
    let (text, tape) = (place.path().join("calls.jsonl"), place.path().join("tape.sqlite"));
    std::fs::write(&text, &lines).expect("written");
    windtunnel::llm::tape::import(&tape, &text).expect("good lines");
    let tape = std::fs::read(tape).expect("a tape");
    vec![lines.into_bytes(), join(&[("calls.jsonl", b""), ("tape.sqlite", &tape)])]
}

/// Arrays of every type that is read, and one that is not.
fn arrays() -> Vec<Vec<u8>> {
    let place = tempfile::tempdir().expect("a temporary folder");
    let path = place.path().join("a.npy");
    let mut arrays = Vec::new();
    let mut keep = || arrays.push(std::fs::read(&path).expect("written"));
    model_file::write_matrix(&path, &Matrix::new(2, 2, vec![1.0, -2.0, 0.5, 0.0])).expect("written");
    keep();
    model_file::write_vector(&path, &[0.5, 1.0, 2.0, 4.0]).expect("written");
    keep();
    model_file::write_ids(&path, &[3, 1, 0, 9]).expect("written");
    keep();
    let array = |descr: &str, order: &str, shape: &str, values: &[u8]| {
        let header = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}\n");
        let mut file = b"\x93NUMPY\x02\x00".to_vec();
        file.extend((header.len() as u32).to_le_bytes());
        file.extend(header.as_bytes());
        file.extend(values);
        file
    };
    let doubles: Vec<u8> = [1.0f64, 4.0, 2.0, 5.0].iter().flat_map(|x| x.to_le_bytes()).collect();
    arrays.push(array("<f8", "True", "(2, 2)", &doubles));
    arrays.push(array("<f2", "False", "(1, 2)", &[0, 0x3c, 0, 0xc0]));
    arrays.push(array("<f4", "False", "(0, 1152921504606846976)", &[]));
    arrays
}

/// Heads of two models, whose weights are cut off but for some bytes.
fn ggufs() -> Vec<Vec<u8>> {
    let place = tempfile::tempdir().expect("a temporary folder");
    let path = place.path().join("m.gguf");
    let mut files = Vec::new();
    let model = Model {
        n_layers: 1,
        width: 4,
        n_heads: 2,
        n_kv_heads: 1,
        ffn_width: 4,
        n_vocab: 300,
        ..Model::tiny(1)
    };
    Model { weights: Weights::F32, chat_template: None, ..model }.write(&path).expect("written");
    files.push(std::fs::read(&path).expect("written"));
    Bert::tiny(1).write(&path).expect("written");
    let bert = std::fs::read(&path).expect("written");
    files.push(bert[..bert.len().min(4000)].to_vec());
    files
}

/// Every kind that is trained here, fitted on a dozen people.
fn models() -> Vec<Vec<u8>> {
    let scenario = "seed = 1\n[dataset]\nsource = \"synthetic\"\nn_users = 12\nn_items = 20\nmean_interactions = 8\n\
        n_genres = 3\n[split]\nmin_interactions = 2\n\
        [arms.popular]\n[arms.random]\n[arms.item_knn]\n[arms.user_knn]\n[arms.ease]\n\
        [arms.als]\nembedding_size = 2\nepochs = 1\n[arms.mf]\nembedding_size = 2\nepochs = 1\n\
        [arms.lightgcn]\nembedding_size = 2\nepochs = 1\n[arms.mult_vae]\nhidden_size = 2\nembedding_size = 1\nepochs = 1\n\
        [arms.alpharec]\nembedding_size = 2\nepochs = 1\n[arms.rlmrec]\nembedding_size = 2\nepochs = 1\n\
        [arms.two_tower]\nembedding_size = 2\nepochs = 1\n\
        [arms.mmr]\nwraps = \"popular\"\n[arms.dpp]\nwraps = \"popular\"\n[arms.calibrated]\nwraps = \"popular\"\n\
        [arms.boost]\nwraps = \"popular\"\n[arms.softmax]\nwraps = \"popular\"\n[arms.epsilon_greedy]\nwraps = \"popular\"\n\
        [arms.thompson]\nwraps = \"popular\"\n";
    let place = tempfile::tempdir().expect("a temporary folder");
    let scenario = Scenario::parse(Path::new("models.toml"), scenario, &[]).unwrap_or_else(|e| panic!("{e}"));
    let options = RunOptions::new(place.path(), place.path(), &Quiet);
    let folders = fit_and_save(&scenario, &options)
        .unwrap_or_else(|e| panic!("{e}: {:?}", std::error::Error::source(&e)));
    let input = |folder: &std::path::PathBuf| {
        let mut files = Vec::new();
        entry::run_folder::gather(folder, folder, &mut files);
        // The longest comes last, so that a change is likely to hit what says more.
        files.sort_by_key(|(name, bytes)| (!name.ends_with(".json"), bytes.len()));
        join(&files.iter().map(|(name, bytes)| (&**name, &**bytes)).collect::<Vec<_>>())
    };
    folders.iter().map(input).collect()
}

fn event_file() -> Vec<u8> {
    let found = finished().iter().find(|(name, _)| name.starts_with("events/arm=popular/"));
    found.expect("an event file").1.clone()
}

/// Single files of a finished run.
fn run_folders() -> Vec<Vec<u8>> {
    let cut = |name: &str, bytes: &[u8]| -> Vec<u8> {
        let n_lines = match name {
            _ if !name.ends_with(".csv") => usize::MAX,
            "items.csv" | "agents.csv" => usize::MAX,
            _ => 12,
        };
        bytes.split_inclusive(|&byte| byte == b'\n').take(n_lines).collect::<Vec<_>>().concat()
    };
    let wanted = |name: &str| !name.starts_with("events/") && name != "sessions.csv";
    let files = finished().iter().filter(|(name, _)| wanted(name));
    files.map(|(name, bytes)| join(&[(name, &cut(name, bytes))])).collect()
}

/// The shipped scenarios without their remarks, and one of everything small.
fn scenarios() -> Vec<Vec<u8>> {
    let mut found: Vec<Vec<u8>> = Vec::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).expect("scenarios").flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths.iter().filter(|path| path.extension().is_some_and(|end| end == "toml")) {
        let text = std::fs::read_to_string(path).expect("a scenario");
        let told = text.lines().filter(|line| !line.starts_with('#') && !line.starts_with("description"));
        found.push(told.collect::<Vec<_>>().join("\n").into_bytes());
    }
    found.push(join(&[
        ("scenario.toml", b"seed = 7\n[arms.popular]\n[session]\nmax_pages = 2\n"),
        ("set", b"session.items_per_page=3\narms.mf.epochs=2\npopulation.jitter=nan"),
        ("assert", b"arms.mf.s_sat - 0.1 > abs(compare.mf.s_sat.diff) and not (1 < 2 < 3)"),
    ]));
    found.push(
        b"version = 1\nname = \"x\"\nbase = \"reasoned\"\n[sources.a]\nkind = \"sessions\"\npath = \"s.jsonl\"\nscenario = \"s.toml\"\n"
            .to_vec(),
    );
    found
}

/// Vectors with ids in every form, and ready lists.
fn vectors() -> Vec<Vec<u8>> {
    let place = tempfile::tempdir().expect("a temporary folder");
    let npy = place.path().join("v.npy");
    model_file::write_matrix(&npy, &Matrix::new(3, 2, vec![1.0, 0.0, 0.0, 1.0, 0.6, 0.8])).expect("written");
    let npy = std::fs::read(npy).expect("written");
    let ids: ArrayRef = Arc::new(StringArray::from(vec!["i1", "i2"]));
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
    let mut lists = ListBuilder::new(Float32Builder::new());
    let mut fixed = FixedSizeListBuilder::new(Float32Builder::new(), 2);
    for row in [[1.0, 0.0], [0.6, 0.8]] {
        lists.values().append_slice(&row);
        lists.append(true);
        fixed.values().append_slice(&row);
        fixed.append(true);
    }
    let users: ArrayRef = Arc::new(StringArray::from(vec!["u1", "u1"]));
    let parquet = |columns: Vec<(&str, ArrayRef)>| {
        let batch = RecordBatch::try_from_iter(columns).expect("columns of one length");
        let mut bytes = Vec::new();
        let mut writer =
            parquet::arrow::ArrowWriter::try_new(&mut bytes, batch.schema(), None).expect("a writer");
        writer.write(&batch).expect("written");
        writer.close().expect("closed");
        bytes
    };
    let lists = parquet(vec![("id", ids.clone()), ("vector", Arc::new(lists.finish()))]);
    let fixed = parquet(vec![("id", numbers.clone()), ("vector", Arc::new(fixed.finish()))]);
    let ranked = parquet(vec![("user", users), ("item", ids), ("rank", numbers)]);
    vec![
        join(&[
            ("vectors.ids.jsonl", b"{\"id\": \"i1\"}\n{\"id\": \"i9\"}\n{\"id\": 7}"),
            ("vectors.npy", &npy),
        ]),
        join(&[
            ("ids.csv", b"id,title\ni3,x\ni4,\"y\"\ni5,z"),
            ("ids.txt", b"i1\ni2\n\ni3"),
            ("vectors.npy", &npy),
        ]),
        join(&[("vectors.parquet", &lists)]),
        join(&[("vectors.parquet", &fixed)]),
        join(&[("lists.parquet", &ranked)]),
        join(&[
            ("lists.csv", b"user,item,score\nu1,i1,0.5\nu1,i2,0.75\nu9,i3,1"),
            ("lists.txt", b"u1 i1 i2\nu2 i3\nstranger i4\n"),
        ]),
    ]
}
