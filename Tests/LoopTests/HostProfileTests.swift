import IMAPStateMachine
import Testing

@testable import IMAPLoop

/// What is known of providers, and how often one may ask them.
@Suite struct HostProfileTests {
  @Test(arguments: [
    ("imap.gmail.com", "", "Gmail"), ("IMAP.GMAIL.COM", "", "Gmail"), ("gmail.com", "", "Gmail"),
    ("notgmail.com", "", nil), ("imap.163.com", "", "NetEase"), ("outlook.office365.com", "", "Microsoft 365"),
    ("imap-mail.outlook.com", "", "Outlook.com"), ("mail.example.org", "Coremail System IMap Server Ready", "NetEase"),
    ("mail.example.org", "[CAPABILITY IMAP4rev1] Dovecot ready.", "Dovecot"), ("mail.example.org", "ready", nil),
    ("imap.gmail.com", "Dovecot", "Gmail"), ("mail.example.org", "localhost IMAP4rev1 2007e.404 at Mon", "UW"),
    ("imap.mail.yahoo.com", "", "Yahoo"),
  ])
  func isFoundByHostAndGreeting(_ host: String, _ greeting: String, _ name: String?) {
    #expect(HostProfile.find(host: host, greeting: greeting)?.name == name)
    #expect(HostProfile.find(host: host, greeting: greeting, in: []) == nil)
  }

  @Test func boundsOnlyGetNarrower() {
    var configuration = IMAPClient.Configuration(host: "h")
    configuration.connection.idleRenewal = .seconds(60)
    configuration.connection.maximumInFlight = 30
    configuration.apply(HostProfile("x", hosts: [], idleLifetime: .seconds(100), commandsInFlight: 5))
    #expect(configuration.connection.idleRenewal == .seconds(60))
    #expect(configuration.connection.maximumInFlight == 5)
    configuration.apply(HostProfile("x", hosts: [], idleLifetime: .seconds(50)))
    #expect(configuration.connection.idleRenewal == .seconds(50))
    configuration.apply(HostProfile("x", hosts: [], lineLength: 1000))
    #expect(configuration.connection.maximumLineLength == 1000)
    configuration.apply(HostProfile("x", hosts: [], lineLength: 2000))
    #expect(configuration.connection.maximumLineLength == 1000)
  }

  @Test(arguments: ["imap.mail.yahoo.com", "imap.aol.com"]) func yahooTakesShortLines(_ host: String) throws {
    var configuration = IMAPClient.Configuration(host: host)
    #expect(configuration.connection.maximumLineLength == 8192)
    configuration.apply(try #require(HostProfile.find(host: host)))
    #expect(configuration.connection.maximumLineLength == 1000)
  }

  /// What is not in a set of UIDs.
  @Test(
    arguments: [
      ([1...3, 5...5], 8, "4,6:7"), ([2...3], 3, "1"), ([], 4, "1:3"), ([1...9], 5, ""), ([5...5, 1...2], 6, "3:4"),
      ([1...3, 2...4, 4...4], 6, "5"), ([3...UInt32.max], 10, "1:2"), ([], 1, ""), ([7...9], 4, "1:3"),
      ([2...2], .max, "1,3:4294967294"),
    ] as [([ClosedRange<UInt32>], UInt32, String)])
  func gaps(_ ranges: [ClosedRange<UInt32>], _ end: UInt32, _ gaps: String) {
    let set = UIDSet(ranges: ranges.map { UIDSet.Range($0.lowerBound, $0.upperBound) })
    #expect(set.gaps(below: end).description == gaps)
  }

  /// In no period there are more than may be, and nobody waits longer than he must.
  @Test func loginsAreSpread() {
    let seed = UInt64.random(in: 0...UInt64.max)
    var random = seed
    for most in 1...4 {
      var schedule = LoginSchedule(most: most, in: .seconds(10))
      var now = MonotonicInstant(nanoseconds: 0)
      var times: [MonotonicInstant] = []
      for _ in 0..<200 {
        random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        now = now.advanced(by: .milliseconds(Int64(random >> 53)))
        let time = schedule.reserve(at: now)
        #expect(time >= now, "seed \(seed)")
        if times.count >= most {
          let earlier = times[times.count - most]
          #expect(earlier.duration(to: time) >= .seconds(10), "seed \(seed)")
          #expect(time == max(now, earlier.advanced(by: .seconds(10))), "seed \(seed)")
        } else {
          #expect(time == now, "seed \(seed)")
        }
        times.append(time)
      }
    }
  }

  @Test(
    arguments: [
      (nil, "Your account is not enabled for IMAP use. Please visit", .accessDisabled),
      (nil, "IMAP access is disabled for your domain.", .accessDisabled),
      (.alert, "Application-specific password required: https://support (Failure)", .applicationPasswordRequired),
      (.atom("AUTHENTICATIONFAILED"), "OCF12", .applicationPasswordRequired),
      (.alert, "Please log in via your web browser: https://support (Failure)", .webLoginRequired),
      (nil, "Login to your account via a web browser to verify", .webLoginRequired),
      (nil, "Account exceeded command or bandwidth limits. (Failure)", .throttled(retryAfter: nil)),
      (.alert, "Too many simultaneous connections. (Failure)", .limit),
      (.atom("UNAVAILABLE"), "Maximum number of connections from user+IP exceeded", .unavailable),
      (nil, "Maximum number of connections from user+IP exceeded", .limit),
      (nil, "Service temporarily unavailable", .unavailable), (nil, "Invalid credentials", .notAuthenticated),
      (.atom("AUTHENTICATIONFAILED"), "no", .notAuthenticated), (.atom("EXPIRED"), "OCF12", .expired),
    ] as [(ResponseCode?, String, IMAPError.Reason)])
  func whyALoginFails(_ code: ResponseCode?, _ text: String, _ reason: IMAPError.Reason) {
    let status = Status(.no, code: code, text)
    #expect(IMAPError.refused(command: "LOGIN", status).reason == reason)
    #expect(IMAPError.authentication(.cancelled, status).reason == reason)
    // The text of another command says nothing.
    if code == nil { #expect(IMAPError.refused(command: "COPY", status).reason == .unspecified) }
    #expect(IMAPError.refused(command: "LOGIN", status).status?.text == text)
  }

  @Test func exchangeTakesThePasswordAndHasNoMailbox() {
    let status = Status(.bad, "User is authenticated but not connected.")
    #expect(IMAPError.rejected(command: "LOGIN", status).reason == .unavailable)
    #expect(IMAPError.rejected(command: "SELECT", status).reason == .unspecified)
  }
}
