# Plack and CGI.pm. Each answers with pairs: who read it and what was read.
use strict;
use warnings;
use Plack::Request;
use CGI ();
use JSON::PP;

my $json = JSON::PP->new->utf8->allow_nonref->allow_unknown->allow_blessed;

sub read_json {
    my ($text) = @_;
    my $read = eval { $json->decode($text) };
    return $read;
}

sub plack {
    my ($env) = @_;
    my $request = Plack::Request->new($env);
    my $body    = eval { $request->body_parameters->as_hashref_mixed } || {};
    my $query   = eval { $request->query_parameters->as_hashref_mixed } || {};
    my $params  = eval { $request->parameters->as_hashref_mixed } || {};
    return [ [ 'body_parameters', $body ], [ 'query_parameters', $query ], [ 'parameters', $params ], [ 'decode_json', read_json( $request->content ) ] ];
}

sub cgi {
    my ($env) = @_;
    local %ENV = ( %ENV, GATEWAY_INTERFACE => 'CGI/1.1', map { $_ => $env->{$_} } grep { !/^psgi/ && defined $env->{$_} } keys %$env );
    local *STDIN = $env->{'psgi.input'};
    CGI::initialize_globals();
    my $query  = CGI->new;
    my %params = map { my @values = $query->multi_param($_); $_ => @values > 1 ? \@values : $values[0] } $query->multi_param;
    my %url    = map { $_ => scalar $query->url_param($_) } grep { defined } $query->url_param;
    my $data   = $params{POSTDATA} // $params{PUTDATA} // $params{PATCHDATA};
    return [ [ 'param', \%params ], [ 'url_param', \%url ], [ 'decode_json', defined $data ? read_json($data) : undef ] ];
}

sub {
    my ($env) = @_;
    my $read = $env->{PATH_INFO} =~ m{/cgi$} ? cgi($env) : plack($env);
    return [ 200, [ 'Content-Type' => 'application/json' ], [ $json->encode($read) ] ];
};
