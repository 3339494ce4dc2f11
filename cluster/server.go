package cluster

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/go-mysql-org/go-mysql/client"
)

// Server is one endpoint: a pool of connections for statements, and a dialer
// for raw ones. Every session of either kind is set up alike and can only
// read. It is safe for concurrent use.
type Server struct {
	cfg   Config
	asked TLSMode // as the configuration had it, before TLSAuto was decided
	log   *slog.Logger
	facts Facts
	vars  variables
	tls   tlsChoice
	setup setup
	life  *life
	db    *sql.DB
}

// maxConns bounds the pool: lanes use raw connections, so statements are few.
const maxConns = 16

// Open connects, learns the facts and prepares the pool. Where the server
// refuses an account without a password and cfg.Prompt is set, it asks. Errors
// are *ServerError or *ConfigError. The caller closes the Server.
func Open(ctx context.Context, cfg Config, log *slog.Logger) (*Server, error) {
	s, err := decideTLS(ctx, cfg, log)
	if s != nil {
		s.asked = cfg.TLS
	}
	return s, err
}

// decideTLS connects with the mode of the configuration, or with the one that TLSAuto comes to.
func decideTLS(ctx context.Context, cfg Config, log *slog.Logger) (*Server, error) {
	if cfg.TLS != "" && cfg.TLS != TLSAuto {
		return connectAs(ctx, cfg, log)
	}
	cfg.TLS = TLSPreferred
	if host, _, err := net.SplitHostPort(cfg.Addr); err == nil && cfg.Net == "tcp" && isLoopback(host) {
		plain := cfg
		plain.TLS = TLSDisabled
		plain.Prompt = nil
		if s, err := connectAs(ctx, plain, log); !refusedPlain(err) {
			return s, err
		}
	}
	return connectAs(ctx, cfg, log)
}

// refusedPlain tells whether a server refused an account that may only come
// encrypted. Some say so; to others it is an unknown account.
func refusedPlain(err error) bool {
	switch ErrorNumber(err) {
	case errAccessDenied, errAccessDeniedNoPw, errSecureTransport:
		return true
	}
	return false
}

// connectAs is Open with a mode that is decided.
func connectAs(ctx context.Context, cfg Config, log *slog.Logger) (*Server, error) {
	s := &Server{cfg: cfg, log: log.With("side", cfg.Label, "addr", cfg.Addr)}
	var err error
	if s.tls, err = newTLSChoice(cfg); err != nil {
		return nil, err
	}
	c, low, err := s.firstDial(ctx)
	if err != nil {
		return nil, s.Explain("connect", err)
	}
	stop := hangUp(ctx, c)
	defer func() {
		stop()
		_ = c.Close()
	}()
	_ = c.SetDeadline(time.Now().Add(s.setUpLimit()))
	if err = low.explain(Parse(func() error { return s.learn(c) })); err != nil {
		return nil, s.Explain("connect", ended(ctx, err))
	}
	s.life = newLife(s.quiet(), s.askThreads)
	if s.db, err = s.openPool(); err != nil {
		s.life.end()
		return nil, s.Explain("connect", err)
	}
	if err = s.db.PingContext(ctx); err != nil {
		_ = s.Close()
		return nil, s.Explain("connect", ended(ctx, err))
	}
	s.log.Debug("connected", "version", s.facts.Version, "uuid", s.facts.ServerUUID, "account", s.facts.Account, "tls", s.facts.TLS)
	return s, nil
}

// ended is the cause where a context's end came out as a broken connection.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// firstDial dials, asks for a password if only that is missing, and gives TLS
// up where it is a preference that cannot be met.
func (s *Server) firstDial(ctx context.Context) (*client.Conn, *conn, error) {
	c, low, err := s.dial(ctx, nil)
	if s.tls.mayGiveUp(err) && ctx.Err() == nil {
		s.log.Warn("TLS was offered but failed; going on without", "err", err)
		s.tls.config = nil
		c, low, err = s.dial(ctx, nil)
	}
	n := ErrorNumber(err)
	if (n != errAccessDenied && n != errAccessDeniedNoPw) || s.cfg.Password != "" || s.cfg.Prompt == nil {
		return c, low, err
	}
	pw, askErr := s.cfg.Prompt(s.cfg.User, s.cfg.Addr)
	if askErr != nil {
		return nil, nil, fmt.Errorf("%w (no password was given, and asking for one failed: %w)", err, askErr)
	}
	s.cfg.Password = Secret(pw)
	return s.dial(ctx, nil)
}

// learn finds the session set-up that the server takes, and reads the facts
// over a connection that is set up: SHOW itself is cut by some settings.
func (s *Server) learn(c *client.Conn) error {
	run := func(query string) error {
		_, err := c.Execute(query)
		return err
	}
	switch err := run(opening); {
	case err == nil:
		s.setup.opening = opening
	case ErrorNumber(err) != errUnknownVariable:
		return err
	}
	if err := run("SET NAMES utf8mb4, " + first); err != nil {
		// Servers before 5.5.3 have no four-byte characters.
		if err := run("SET NAMES utf8, " + first); err != nil {
			return err
		}
		s.setup.utf8only = true
	}
	has, err := pairs(c, "SHOW SESSION VARIABLES")
	if err != nil {
		return err
	}
	s.setup.choose(has)
	if err = s.setup.try(run); err != nil {
		return fmt.Errorf("set up the session: %w", err)
	}
	if err = s.setUp(c, false); err != nil {
		return err
	}
	vars, err := pairs(c, "SHOW GLOBAL VARIABLES")
	if err != nil {
		return err
	}
	if err = told(vars); err != nil {
		return err
	}
	s.vars, s.facts = vars, factsFrom(vars)
	if s.facts.Account, err = scalar(c, "SELECT CURRENT_USER()"); err != nil {
		return err
	}
	status, err := pairs(c, "SHOW SESSION STATUS LIKE 'Ssl_cipher'")
	if err != nil {
		return err
	}
	s.facts.TLS = status["ssl_cipher"]
	return s.setUp(c, true)
}

// pairs runs a statement whose rows are a name and a value.
func pairs(c *client.Conn, query string) (variables, error) {
	r, err := c.Execute(query)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	out := make(variables, r.RowNumber())
	for i := range r.RowNumber() {
		name, err := r.GetString(i, 0)
		if err != nil {
			return nil, err
		}
		value, err := r.GetString(i, 1)
		if err != nil {
			return nil, err
		}
		// The result's memory is reused after Close.
		out[strings.ToLower(name)] = strings.Clone(value)
	}
	return out, nil
}

func scalar(c *client.Conn, query string) (string, error) {
	r, err := c.Execute(query)
	if err != nil {
		return "", err
	}
	defer r.Close()
	s, err := r.GetString(0, 0)
	return strings.Clone(s), err
}

// DB is a pool of connections with decoded results in utf8mb4; times are text
// in UTC.
func (s *Server) DB() *sql.DB { return s.db }

// Facts are those of the moment of Open.
func (s *Server) Facts() Facts { return s.facts }

// Config is the configuration that connected, a prompted password included.
func (s *Server) Config() Config { return s.cfg }

// ConfigAt is how to reach another server with the same login, under a label of its own. Nobody is asked for a password.
func (s *Server) ConfigAt(label, host string, port int) Config {
	c := s.cfg
	c.Label, c.Net, c.Addr = label, "tcp", net.JoinHostPort(host, strconv.Itoa(port))
	c.TLS, c.ServerName, c.Prompt = s.asked, "", nil
	return c
}

// Lend gives the login of this server, with the protection of the connection, to a configuration that has none: one
// of the same user, without a password.
func (s *Server) Lend(c Config) Config {
	if c.Password != "" || c.User != s.cfg.User {
		return c
	}
	c.Password = s.cfg.Password
	if (c.TLS == "" || c.TLS == TLSAuto) && c.CAFile == "" && c.CertFile == "" {
		c.TLS, c.CAFile, c.CertFile, c.KeyFile = s.asked, s.cfg.CAFile, s.cfg.CertFile, s.cfg.KeyFile
	}
	return c
}

// Rename gives a server that was found its label, before anybody else uses it.
func (s *Server) Rename(label string, log *slog.Logger) {
	s.cfg.Label, s.log = label, log.With("side", label, "addr", s.cfg.Addr)
}

// Label is "old" or "new", or that of another node of theirs: "old-1".
func (s *Server) Label() string { return s.cfg.Label }

// Close closes the pool. Raw connections are their callers' to close.
func (s *Server) Close() error {
	s.life.end()
	return s.db.Close()
}

// Variables returns the server's global variables as they are now, by
// lower-case name.
func (s *Server) Variables(ctx context.Context) (map[string]string, error) {
	v, err := s.variables(ctx, "SHOW GLOBAL VARIABLES")
	if err == nil {
		err = told(v)
	}
	return v, s.Explain("read the variables", err)
}

func (s *Server) variables(ctx context.Context, query string) (variables, error) {
	rows, err := s.db.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := variables{}
	for rows.Next() {
		var name string
		var value sql.NullString
		if err := rows.Scan(&name, &value); err != nil {
			return nil, err
		}
		out[strings.ToLower(name)] = value.String
	}
	return out, rows.Err()
}

// ServerChangedError says that another server answers at the address than the
// one that Open met: nothing proven about the one holds for the other.
type ServerChangedError struct {
	Label, Addr string
	Want, Got   string // identities, as Facts.ServerUUID
}

func (e *ServerChangedError) Error() string {
	return fmt.Sprintf("%s: another server answers now (%s) than at the start (%s); begin anew, and give an address that does not move",
		serverName(e.Label, e.Addr), e.Got, e.Want)
}

// SameServer asks whether the server at the address is still the one that Open
// met: nil if so, a *ServerChangedError if not, else the error of asking. It
// says nothing of other connections; see DialSame.
func (s *Server) SameServer(ctx context.Context) error {
	v, err := s.variables(ctx, identityQuery)
	if err != nil {
		return s.Explain("ask for the server's identity", err)
	}
	return s.same(v)
}

// Unchanged tells whether the server that Open met answers still, in the version of then: what Facts say holds.
func (s *Server) Unchanged(ctx context.Context) bool {
	v, err := s.variables(ctx, identityQuery)
	return err == nil && s.same(v) == nil && v["version"] == s.facts.Version
}

// identityQuery asks for what Facts.ServerUUID is made of.
const identityQuery = "SHOW GLOBAL VARIABLES WHERE Variable_name IN " +
	"('server_uuid','server_uid','server_id','hostname','port','datadir','version')"

// told tells whether a server named its variables at all. A server can answer that with no row and no error, as one whose
// session is cut by sql_select_limit does, and MariaDB now and then: that is no word of another server.
func told(v variables) error {
	if v["version"] == "" {
		return ErrNoVariables
	}
	return nil
}

// same compares the server that answered an identityQuery with the one that Open met.
func (s *Server) same(v variables) error {
	if err := told(v); err != nil {
		return err
	}
	if got := factsFrom(v).ServerUUID; got != s.facts.ServerUUID {
		return &ServerChangedError{Label: s.cfg.Label, Addr: s.cfg.Addr, Want: s.facts.ServerUUID, Got: got}
	}
	return nil
}

// IsServerChanged tells whether err says that another server answers.
func IsServerChanged(err error) bool {
	var e *ServerChangedError
	return errors.As(err, &e)
}
