//! `alpharec` against its formulas in double precision, finite differences, and two tastes that it must tell apart.

use super::*;
use crate::id::{ItemId, UserId};
use crate::recommender::training::toy;
use crate::recommender::{Feedback, Request};
use crate::scenario::params;
use rand::RngExt;

fn params(toml: &str) -> AlphaRecParams {
    let params: AlphaRecParams =
        params::parse("arms.a", &toml.parse().expect("test TOML")).expect("valid parameters");
    params.check("arms.a").map(|()| params).expect("in range")
}

/// A vector an item at random.
fn items(width: usize) -> Matrix {
    let mut rng = Streams::new(8).stream(Purpose::Synthesis, 0, 0, 0);
    let data = (0..toy::N_ITEMS * width).map(|_| rng.random::<f32>() - 0.5).collect();
    Matrix::new(toy::N_ITEMS, width, data)
}

/// The batch's mean InfoNCE loss in double precision, straight from the equations; one linear layer.
fn plain_loss(p: &AlphaRecParams, train: &Csr, items: &Matrix, weights: &[f64], users: &[u32]) -> f64 {
    let (wide, stride) = (items.n_cols, padded(p.embedding_size as usize));
    let by_item = train.transpose();
    let map = |text: &[f64]| -> Vec<f64> {
        (0..stride).map(|k| (0..wide).map(|j| text[j] * weights[j * stride + k]).sum()).collect()
    };
    let text = |item: u32| items.row(item as usize).iter().map(|&x| f64::from(x)).collect::<Vec<f64>>();
    let mean = |user: usize| {
        let own = train.row(user).0;
        let mut mean = vec![0f64; wide];
        own.iter()
            .for_each(|&item| mean.iter_mut().zip(text(item)).for_each(|(m, x)| *m += x / own.len() as f64));
        mean
    };
    let mut layer: Vec<Vec<f64>> = (0..train.n_rows).map(|user| map(&mean(user))).collect();
    layer.extend((0..train.n_cols as u32).map(|item| map(&text(item))));
    let mut sum = layer.clone();
    for _ in 0..p.n_layers {
        let mut next = vec![vec![0f64; stride]; layer.len()];
        for user in 0..train.n_rows {
            for &item in train.row(user).0 {
                let node = train.n_rows + item as usize;
                let degrees = train.row(user).0.len() * by_item.row(item as usize).0.len();
                for k in 0..stride {
                    next[user][k] += layer[node][k] / (degrees as f64).sqrt();
                    next[node][k] += layer[user][k] / (degrees as f64).sqrt();
                }
            }
        }
        sum.iter_mut().flatten().zip(next.iter().flatten()).for_each(|(sum, x)| *sum += x);
        layer = next;
    }
    let cosine = |a: &[f64], b: &[f64]| {
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
    };
    let (mut loss, mut n) = (0.0, 0.0);
    for &user in users {
        let own = train.row(user as usize).0;
        let odds = |item: u32| {
            (cosine(&sum[user as usize], &sum[train.n_rows + item as usize]) / p.temperature).exp()
        };
        let is_negative = |item: &u32| train.indices.contains(item) && !own.contains(item);
        let negatives: f64 = (0..train.n_cols as u32).filter(is_negative).map(odds).sum();
        for &item in own {
            loss -= (odds(item) / (odds(item) + negatives)).ln();
            n += 1.0;
        }
    }
    loss / n
}

#[test]
fn gradients_agree_with_finite_differences() {
    let (train, _) = toy::interactions();
    let items = items(9);
    for n_layers in 0..=2 {
        let p =
            params(&format!("embedding_size = 5\nhidden_size = 0\nn_layers = {n_layers}\ntemperature = 0.3"));
        let mut learner = AlphaLearner::new(&p, &train.matrix, &items, &toy::context());
        let users = [3, 40, 41, 77];
        let n_positives: usize = users.iter().map(|&user| train.matrix.row(user as usize).0.len()).sum();
        let loss = learner.differentiate(&users, 1) / n_positives as f64;
        let weights: Vec<f64> = learner.mlp.tables()[0].iter().map(|&x| f64::from(x)).collect();
        let plain = |weights: &[f64]| plain_loss(&p, &train.matrix, &items, weights, &users);
        assert!((loss - plain(&weights)).abs() < 1e-4, "{n_layers} layers: {loss} {}", plain(&weights));
        for at in (0..9 * 8).step_by(3).filter(|at| at % 8 < 5) {
            let (mut up, mut down) = (weights.clone(), weights.clone());
            up[at] += 1e-5;
            down[at] -= 1e-5;
            let slope = (plain(&up) - plain(&down)) / 2e-5;
            let found = f64::from(learner.mlp.gradients()[0][at]);
            assert!((found - slope).abs() < 1e-4, "{n_layers} layers, {at}: {found} {slope}");
        }
    }
}

#[test]
fn the_pairwise_loss_is_that_of_its_formula() {
    let scores = [0.4f32, -0.3, 0.9, 0.1];
    let mut row = scores;
    let mut drawn = [1u32, 3].into_iter();
    let loss = pairwise(&mut row, &[0, 2], 0.5, || drawn.next());
    let term = |p: usize, n: usize| (1.0 + f64::from(scores[n] - scores[p]).exp()).ln();
    assert!((loss - term(0, 1) - term(2, 3)).abs() < 1e-6);
    let share = |p: usize, n: usize| 0.5 / (1.0 + (scores[p] - scores[n]).exp());
    for (found, expected) in row.iter().zip([-share(0, 1), share(0, 1), -share(2, 3), share(2, 3)]) {
        assert!((found - expected).abs() < 1e-6, "{row:?}");
    }
}

#[test]
fn tells_two_tastes_apart_with_the_same_bits_on_one_thread_and_two() {
    for more in ["", "\nloss = \"bpr\"\nn_layers = 0"] {
        let p =
            params(&format!("epochs = 30\nbatch_size = 50\nembedding_size = 20\nlearning_rate = 0.01{more}"));
        let (one, two) = (toy::fit(&p, 1), toy::fit(&p, 2));
        assert_eq!(one.files, two.files);
        assert!(one.share_of_own_taste > 0.97, "{more}: {}", one.share_of_own_taste);
    }
}

#[test]
fn its_state_is_all_a_resumed_run_needs() {
    let (train, _) = toy::interactions();
    let items = items(9);
    let p = params("epochs = 3\nembedding_size = 8\nbatch_size = 50");
    toy::assert_resumes(|| AlphaLearner::new(&p, &train.matrix, &items, &toy::context()));
}

#[test]
fn folding_in_a_history_gives_the_vector_of_somebody_who_has_it() {
    // A stranger who watches what user 4 has in training is scored as user 4 is.
    let (train, _) = toy::interactions();
    for n_layers in 0..=3 {
        let p = params(&format!("epochs = 5\nembedding_size = 8\nfold_in = true\nn_layers = {n_layers}"));
        let model = toy::fit(&p, 1).model;
        let own = train.items_of(UserId(4));
        let watched: Vec<Feedback> = own
            .iter()
            .map(|&item| Feedback { item: ItemId(item), page: 1, watched: true, rating: None })
            .collect();
        let known = toy::request(&train, 4, 20);
        let stranger = Request { user: UserId(5000), known: own, feedback: &watched, ..known };
        let lists = model.recommend(&[known, stranger]).expect("lists");
        for (a, b) in lists[0].scores.iter().zip(&lists[1].scores) {
            assert!((a - b).abs() < 1e-5, "{n_layers} layers: {a} {b}");
        }
        assert_eq!(lists[0].items[..5], lists[1].items[..5]);
    }
}

#[test]
fn an_item_that_nobody_has_is_ranked_by_its_text() {
    // The last item has no interactions; its words are those of odd items.
    let (train, _) = toy::interactions();
    let cold = ItemId(toy::N_ITEMS as u32 - 1);
    let p = params("epochs = 30\nembedding_size = 16\nlearning_rate = 0.01");
    let model = toy::fit(&p, 1).model;
    let requests: Vec<Request<'_>> = (0..20).map(|user| toy::request(&train, user, toy::N_ITEMS)).collect();
    let lists = model.recommend(&requests).expect("lists");
    for (request, list) in requests.iter().zip(lists) {
        let place = list.items.iter().position(|&item| item == cold).expect("ranked");
        let is_high = place < list.items.len() / 2;
        assert_eq!(is_high, request.user.0 % 2 == cold.0 % 2, "user {} has it at {place}", request.user.0);
    }
}
