import Foundation
import IMAPLoop

/// A Dovecot.
final class DovecotServer: RealServer {
  private let executable: String
  /// Names of mechanisms besides the usual ones.
  private let mechanisms: String
  /// The key that access tokens are signed with; nil where it takes none.
  private let tokenKey: [UInt8]?

  init(mechanisms: String = "", tokenKey: [UInt8]? = nil, takesCertificates: Bool = false) throws {
    self.mechanisms = mechanisms
    self.tokenKey = tokenKey
    guard
      let executable = ["/usr/sbin/dovecot", "/opt/homebrew/sbin/dovecot"].first(
        where: FileManager.default.isExecutableFile)
    else {
      throw Unavailable(description: "Dovecot is not installed: run Scripts/setup (Debian package dovecot-imapd)")
    }
    self.executable = executable
    try super.init("dovecot", folders: ["run/state", "mail"], takesCertificates: takesCertificates)
  }

  override func prepare() throws {
    try FileManager.default.setAttributes([.posixPermissions: 0o777], ofItemAtPath: "\(folder)/mail")
    var text = Self.configuration(folder, password, plainPort, tlsPort)
    if !mechanisms.isEmpty {
      text += "auth_mechanisms = $auth_mechanisms \(mechanisms)\nauth_anonymous_username = guest\n"
    }
    if let owners = clientAuthorityFile {
      text = certificates(owners) + text + "auth_mechanisms = $auth_mechanisms external\n"
    }
    if let tokenKey { text = try tokens(tokenKey) + text }
    try write(text, to: "dovecot.conf")
  }

  /// Takes JSON Web Tokens that are signed with `key` (RFC 7519, HS256), by itself and without asking anybody. Returns what
  /// belongs before other ways to log in.
  private func tokens(_ key: [UInt8]) throws -> String {
    let place = "\(folder)/keys/default/HS256"
    try FileManager.default.createDirectory(
      atPath: place, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o755])
    try Data(key).base64EncodedString().write(toFile: "\(place)/default", atomically: true, encoding: .utf8)
    try write(
      """
      introspection_mode = local
      local_validation_key_dict = fs:posix:prefix=\(folder)/keys/
      username_attribute = sub

      """, to: "tokens.conf")
    return """
      passdb {
        driver = oauth2
        mechanisms = xoauth2 oauthbearer
        args = \(folder)/tokens.conf
      }

      """
  }

  /// Who shows a certificate is whom it names, and has no password.
  private func certificates(_ owners: String) -> String {
    """
    ssl_ca = <\(owners)
    ssl_require_crl = no
    ssl_verify_client_cert = yes
    auth_ssl_username_from_cert = yes
    passdb {
      driver = static
      mechanisms = external
      args = nopassword
    }

    """
  }

  override func launch() throws -> [ServerProcess] {
    [try ServerProcess([executable, "-F", "-c", "\(folder)/dovecot.conf"])]
  }

  /// The command that serves the mail of `user` on its standard input and output, which is PREAUTH.
  func preauthenticated(_ user: String) -> Transport.Command {
    let program = ["/usr/lib/dovecot/imap", "/opt/homebrew/libexec/dovecot/imap"].first(
      where: FileManager.default.isExecutableFile)
    var command = Transport.Command(
      "/usr/bin/env",
      [
        "USER=\(user)", "HOME=\(folder)/mail/\(user)", program ?? "/usr/lib/dovecot/imap", "-c",
        "\(folder)/dovecot.conf",
      ])
    command.keepsErrorOutput = false
    return command
  }

  private static func configuration(
    _ folder: String, _ password: String, _ plainPort: UInt16, _ tlsPort: UInt16
  ) -> String {
    let isRoot = getuid() == 0
    // Dovecot drops its rights where it has any; without them everything runs as the user of the test.
    let users =
      isRoot
      ? "default_internal_user = dovecot\ndefault_login_user = dovenull\nmail_uid = nobody\nmail_gid = nogroup"
      : """
      default_internal_user = \(NSUserName())
      default_login_user = \(NSUserName())
      service anvil {
        chroot =
      }
      service imap-login {
        chroot =
      }
      """
    return """
      base_dir = \(folder)/run
      state_dir = \(folder)/run/state
      log_path = \(folder)/log/server.log
      protocols = imap
      listen = 127.0.0.1
      ssl = yes
      ssl_cert = <\(folder)/certificate.pem
      ssl_key = <\(folder)/key.pem
      disable_plaintext_auth = no
      auth_mechanisms = plain login cram-md5 scram-sha-1 scram-sha-256
      # Tests give wrong passwords on purpose, and need not wait for it.
      auth_failure_delay = 0
      service anvil {
        unix_listener anvil-auth-penalty {
          mode = 0
        }
      }
      mail_location = sdbox:\(folder)/mail/%u
      first_valid_uid = 1
      first_valid_gid = 1
      mail_fsync = never
      # Where too many watch mailboxes on this machine to be told of changes it looks so often.
      mailbox_idle_check_interval = 1 secs
      mail_max_userip_connections = 100
      \(users)
      passdb {
        driver = static
        # As it is: the challenge mechanisms need it, or what they make of it.
        args = password={PLAIN}\(password)
      }
      userdb {
        driver = static
        args = \(isRoot ? "uid=nobody gid=nogroup " : "")home=\(folder)/mail/%u
      }
      namespace inbox {
        inbox = yes
        separator = /
        mailbox Sent {
          auto = create
          special_use = \\Sent
        }
      }
      mail_plugins = acl quota zlib
      mail_attribute_dict = file:%h/attributes
      # What URLs of messages begin with.
      imap_urlauth_host = localhost
      imap_urlauth_port = 143
      protocol imap {
        mail_plugins = acl quota zlib imap_acl imap_quota imap_zlib
        imap_metadata = yes
      }
      plugin {
        acl = vfile
        quota = count:User quota
        quota_vsizes = yes
        quota_rule = *:storage=100M
      }
      service imap-login {
        inet_listener imap {
          port = \(plainPort)
        }
        inet_listener imaps {
          port = \(tlsPort)
          ssl = yes
        }
      }

      """
  }
}
