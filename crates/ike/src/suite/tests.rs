use super::*;
use ids::Spi;

fn ike_offer(transforms: &[Transform]) -> Vec<Proposal> {
    vec![Proposal { number: 1, protocol: ProtocolId::IKE, spi: vec![], transforms: transforms.to_vec() }]
}

const PRF: Transform = Transform::new(TransformType::PRF, Prf::HMAC_SHA2_256.0);

#[test]
fn section_4_line_18_weak_algorithms_are_not_chosen_even_alone() {
    let policy = SuitePolicy::default();
    let sent = KeyExchangeMethod::CURVE25519;
    let good = [Transform::encr(Encr::AES_GCM_16, 128), PRF, Transform::ke(sent)];
    assert!(policy.choose_ike(&ike_offer(&good), sent).is_some());
    let des_3des_null = [2, 3, 11].map(|id| Transform::new(TransformType::ENCR, id));
    for encr in des_3des_null {
        let offer = [encr, PRF, Transform::new(TransformType::INTEG, 12), good[2]];
        assert!(policy.choose_ike(&ike_offer(&offer), sent).is_none(), "{encr:?}");
    }
    for md5_sha1 in [1, 2] {
        let offer = [good[0], Transform::new(TransformType::PRF, md5_sha1), good[2]];
        assert!(policy.choose_ike(&ike_offer(&offer), sent).is_none());
        let offer = [
            Transform::encr(Encr::AES_CBC, 128),
            Transform::new(TransformType::INTEG, md5_sha1),
            PRF,
            good[2],
        ];
        assert!(policy.choose_ike(&ike_offer(&offer), sent).is_none());
    }
    for group in [1, 2, 5, 22, 23, 24] {
        let offer = [good[0], PRF, Transform::ke(KeyExchangeMethod(group))];
        assert!(policy.choose_ike(&ike_offer(&offer), KeyExchangeMethod(group)).is_none(), "group {group}");
    }
}

#[test]
fn section_4_line_18_every_algorithm_of_the_set_is_taken_alone_and_offered() {
    let policy = SuitePolicy::default();
    let hmac = Transform::new(TransformType::INTEG, 12); // AUTH_HMAC_SHA2_256_128
    let ciphers = [(20, 128, None), (20, 256, None), (12, 128, Some(hmac)), (12, 256, Some(hmac))];
    let offered: Vec<Transform> =
        policy.offer_ike(&[]).into_iter().flat_map(|proposal| proposal.transforms).collect();
    for (encr, key_len, integ) in ciphers {
        for prf in [5, 6] {
            for group in [14, 19, 20, 31] {
                let mut alone = vec![
                    Transform::encr(Encr(encr), key_len),
                    Transform::new(TransformType::PRF, prf),
                    Transform::ke(KeyExchangeMethod(group)),
                ];
                alone.extend(integ);
                let (suite, _) = policy.choose_ike(&ike_offer(&alone), KeyExchangeMethod(group)).unwrap();
                assert_eq!(suite.key_exchange.0, group);
                assert!(alone.iter().all(|transform| offered.contains(transform)), "{alone:?}");
            }
        }
    }
}

#[test]
fn a_transform_with_an_attribute_we_do_not_know_or_without_key_length_is_not_chosen() {
    let policy = SuitePolicy::default();
    let ke = Transform::ke(KeyExchangeMethod::ECP_256);
    let mut odd = Transform::encr(Encr::AES_GCM_16, 128);
    odd.has_unknown_attribute = true;
    for encr in
        [odd, Transform::new(TransformType::ENCR, Encr::AES_GCM_16.0), Transform::encr(Encr::AES_GCM_16, 192)]
    {
        assert!(policy.choose_ike(&ike_offer(&[encr, PRF, ke]), KeyExchangeMethod::ECP_256).is_none());
    }
}

#[test]
fn our_order_of_ciphers_wins_and_the_peers_key_exchange_stays_if_we_take_it() {
    let policy = SuitePolicy::default();
    let offer = ike_offer(&[
        Transform::encr(Encr::AES_GCM_16, 128),
        Transform::encr(Encr::AES_GCM_16, 256),
        PRF,
        Transform::ke(KeyExchangeMethod::MODP_2048),
        Transform::ke(KeyExchangeMethod::CURVE25519),
    ]);
    let chosen = |sent| policy.choose_ike(&offer, sent).unwrap().0;
    assert_eq!(chosen(KeyExchangeMethod::MODP_2048).cipher, CipherSuite::Aes256Gcm16);
    assert_eq!(chosen(KeyExchangeMethod::MODP_2048).key_exchange, KeyExchangeMethod::MODP_2048);
    assert_eq!(chosen(KeyExchangeMethod::ECP_384).key_exchange, KeyExchangeMethod::CURVE25519);
}

#[test]
fn an_offer_of_ours_is_chosen_and_its_answer_read_back() {
    let policy = SuitePolicy::default();
    let (suite, mut answer) = policy.choose_ike(&policy.offer_ike(&[]), KeyExchangeMethod::ECP_256).unwrap();
    assert_eq!(IkeSuite::from_answer(&[answer.clone()], &policy), Some(suite));
    answer.transforms.push(Transform::encr(Encr::AES_GCM_16, 128));
    assert_eq!(IkeSuite::from_answer(&[answer], &policy), None, "an answer picks one of each type");
    let chosen = policy.choose_esp(&policy.offer_esp(Spi(0x1000), false), None).unwrap();
    assert_eq!(
        (chosen.suite, chosen.peer_spi),
        (EspSuite { cipher: CipherSuite::Aes256Gcm16, esn: true }, Spi(0x1000))
    );
}

#[test]
fn section_4_line_26_a_rekeyed_child_sa_without_key_exchange_is_not_chosen() {
    let policy = SuitePolicy::default();
    let without = policy.offer_esp(Spi(0x1000), false);
    assert!(policy.choose_esp(&without, Some(KeyExchangeMethod::CURVE25519)).is_none());
}

#[test]
fn section_4_line_27_esn_is_chosen_where_offered_and_never_made_up() {
    let policy = SuitePolicy::default();
    let offer = |numbers: &[SequenceNumbers]| {
        let mut proposal = policy.offer_esp(Spi(0x1000), false).remove(0);
        proposal.transforms.retain(|transform| transform.kind != TransformType::SN);
        let kinds = numbers.iter().map(|numbers| Transform::new(TransformType::SN, numbers.0));
        proposal.transforms.extend(kinds);
        policy.choose_esp(&[proposal], None).map(|chosen| chosen.suite.esn)
    };
    let (short, long) = (SequenceNumbers::SEQUENTIAL_32, SequenceNumbers::SEQUENTIAL_64);
    assert_eq!(offer(&[short, long]), Some(true));
    assert_eq!(offer(&[short]), Some(false));
    assert_eq!(offer(&[]), None);
}
