//! `rlmrec` against its formulas in double precision, finite differences, and two tastes that it must tell apart.

use super::*;
use crate::recommender::training::toy;
use crate::rng::Streams;
use crate::scenario::params;
use rand::RngExt;

fn params(toml: &str) -> RlmRecParams {
    let params: RlmRecParams =
        params::parse("arms.r", &toml.parse().expect("test TOML")).expect("valid parameters");
    params.check("arms.r").map(|()| params).expect("in range")
}

fn draw(n_rows: usize, width: usize, luck: u64) -> Matrix {
    let mut rng = Streams::new(luck).stream(Purpose::Synthesis, 0, 0, 0);
    Matrix::new(n_rows, width, (0..n_rows * width).map(|_| rng.random::<f32>() - 0.5).collect())
}

/// The mean InfoNCE of the given nodes against all profiles of their side, in double precision. `left` and
/// `right` are the two sides of the cosine, already mapped.
fn plain_alignment(left: &[Vec<f64>], right: &[Vec<f64>], nodes: &[u32], temperature: f64) -> f64 {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let odds = |a: &[f64], b: &[f64]| (dot(a, b) / (dot(a, a) * dot(b, b)).sqrt() / temperature).exp();
    let term = |(left, &node): (&Vec<f64>, &u32)| {
        let all: f64 = right.iter().map(|right| odds(left, right)).sum();
        -(odds(left, &right[node as usize]) / all).ln()
    };
    left.iter().zip(nodes).map(term).sum::<f64>() / nodes.len() as f64
}

/// Every row through a perceptron, in double precision.
fn through(mlp: &Mlp, rows: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let shape = mlp.shape();
    let wide = |table: &[f32]| table.iter().map(|&x| f64::from(x)).collect::<Vec<f64>>();
    let tables: Vec<Vec<f64>> = mlp.tables().iter().map(|table| wide(table)).collect();
    let layer = |x: &[f64], weights: &[f64], bias: &[f64], width: usize| -> Vec<f64> {
        (0..width)
            .map(|k| {
                bias[k] + x.iter().enumerate().map(|(j, x)| x * weights[j * padded(width) + k]).sum::<f64>()
            })
            .collect()
    };
    let one = |row: &Vec<f64>| {
        let mut hidden = layer(row, &tables[0], &tables[1], shape.hidden);
        hidden.iter_mut().for_each(|h| *h = h.max(0.01 * *h));
        layer(&hidden, &tables[2], &tables[3], shape.output)
    };
    rows.iter().map(one).collect()
}

/// Mean ranking loss plus weighted alignment at these ego vectors, in double precision. Layers none: vectors
/// score as they are, since propagation has its own test.
fn plain_loss(learner: &RlmLearner<'_>, ego: &[f64], triples: &[Triple], nodes: &[Vec<u32>; 2]) -> f64 {
    let stride = learner.gcn.stride();
    let width = learner.params.embedding_size as usize;
    let row = |node: usize| ego[node * stride..node * stride + width].to_vec();
    let n_users = learner.gcn.n_users();
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let ranking = |t: &Triple| {
        let (user, pos, neg) =
            (row(t.user as usize), row(n_users + t.pos as usize), row(n_users + t.neg as usize));
        (1.0 + (dot(&user, &neg) - dot(&user, &pos)).exp()).ln()
    };
    let mut loss = triples.iter().map(ranking).sum::<f64>() / triples.len() as f64;
    for (side, nodes) in nodes.iter().enumerate() {
        let rows = learner.rows_of_side(side);
        let vectors: Vec<Vec<f64>> = nodes.iter().map(|&node| row(node as usize)).collect();
        let profile = |row: usize| learner.profiles[row * 8..][..6].iter().map(|&x| f64::from(x)).collect();
        let profiles: Vec<Vec<f64>> = rows.clone().map(profile).collect();
        let places: Vec<u32> = nodes.iter().map(|&node| node - rows.start as u32).collect();
        let temperature = learner.params.temperature;
        loss += learner.params.alignment
            * match learner.params.variant {
                Variant::Con => {
                    plain_alignment(&vectors, &through(&learner.mlp, &profiles), &places, temperature)
                }
                Variant::Gen => {
                    plain_alignment(&through(&learner.mlp, &vectors), &profiles, &places, temperature)
                }
            };
    }
    loss
}

#[test]
fn gradients_agree_with_finite_differences() {
    let (train, _) = toy::interactions();
    for variant in ["con", "gen"] {
        let p = params(&format!(
            "variant = \"{variant}\"\naligned = \"both\"\nn_layers = 0\nembedding_size = 5\nreg = 0.0\ninit_std = 0.7\nalignment = 0.8\n\
             temperature = 0.4\nn_aligned = 20"
        ));
        let gcn = Gcn::new(p.settings(), &train.matrix, &toy::context());
        let (users, items) = (draw(toy::N_USERS, 6, 1), draw(toy::N_ITEMS, 6, 2));
        let mut learner = RlmLearner::new(p, gcn, &users, &items);
        learner.mask = vec![0.3, -0.2, 0.5, 0.1, -0.4, 0.0, 0.0, 0.0];
        let samples = learner.gcn.samples(1);
        let (_, batch) = samples.batches().next().expect("a batch");
        let batch = &batch[..60];
        let nodes = learner.nodes(batch, 1);
        let found = learner.differentiate(batch, &nodes) / batch.len() as f64;
        let ego: Vec<f64> = learner.gcn.ego.iter().map(|&x| f64::from(x)).collect();
        let plain = |ego: &[f64]| plain_loss(&learner, ego, batch, &nodes);
        assert!((found / plain(&ego) - 1.0).abs() < 1e-5, "{variant}: {found} {}", plain(&ego));
        let aligned =
            nodes.iter().flat_map(|nodes| &nodes[..4]).map(|&row| row as usize * 8 + row as usize % 5);
        let of_batch = batch.iter().take(6).map(|t| t.user as usize * 8 + 1);
        for at in aligned.chain(of_batch) {
            let (mut up, mut down) = (ego.clone(), ego.clone());
            up[at] += 1e-5;
            down[at] -= 1e-5;
            let slope = (plain(&up) - plain(&down)) / 2e-5;
            let gradient = f64::from(learner.gcn.gradient[at]);
            assert!((gradient - slope).abs() < 1e-5, "{variant}, {at}: {gradient} {slope}");
        }
    }
}

#[test]
fn masked_vectors_come_back_as_they_were_and_do_not_move() {
    let (train, _) = toy::interactions();
    let p = params("variant = \"gen\"\naligned = \"both\"\nembedding_size = 5");
    let gcn = Gcn::new(p.settings(), &train.matrix, &toy::context());
    let (users, items) = (draw(toy::N_USERS, 6, 1), draw(toy::N_ITEMS, 6, 2));
    let mut learner = RlmLearner::new(p, gcn, &users, &items);
    let before = learner.gcn.ego.clone();
    let samples = learner.gcn.samples(1);
    let (step, batch) = samples.batches().next().expect("a batch");
    let nodes = learner.nodes(batch, step);
    learner.differentiate(batch, &nodes);
    assert_ne!(learner.gcn.ego, before, "masks are on");
    learner.take_masks(&nodes, Rate::of_step(0.01, 1));
    assert_eq!(learner.gcn.ego, before);
    assert!(nodes.iter().flatten().all(|&row| learner.gcn.gradient[row as usize * 8..][..8] == [0.0; 8]));
    assert!(learner.mask.iter().any(|&x| x != 0.0), "the mask is learned");
}

#[test]
fn tells_two_tastes_apart_with_the_same_bits_on_one_thread_and_two() {
    for variant in ["con", "gen"] {
        let p = params(&format!(
            "variant = \"{variant}\"\nalignment = 0.01\nepochs = 20\nbatch_size = 500\nembedding_size = 20"
        ));
        let (one, two) = (toy::fit(&p, 1), toy::fit(&p, 2));
        assert_eq!(one.files, two.files);
        assert!(one.share_of_own_taste > 0.97, "{variant}: {}", one.share_of_own_taste);
    }
}

#[test]
fn its_state_is_all_a_resumed_run_needs() {
    let (train, _) = toy::interactions();
    for variant in ["con", "gen"] {
        let p = params(&format!(
            "variant = \"{variant}\"\naligned = \"both\"\nepochs = 3\nembedding_size = 8\nbatch_size = 300"
        ));
        toy::assert_resumes(|| {
            let gcn = Gcn::new(p.settings(), &train.matrix, &toy::context());
            RlmLearner::new(p.clone(), gcn, &draw(toy::N_USERS, 6, 1), &draw(toy::N_ITEMS, 6, 2))
        });
    }
}

#[test]
fn profiles_that_are_not_there_are_missed() {
    let told = toy::try_fit(&params("user_text = \"profiles\"\naligned = \"both\""), 1)
        .err()
        .expect("no profiles")
        .to_string();
    assert!(told.contains("profiles.users"), "{told}");
}
