# Cyrus SASL, installed here as well since Postfix is linked with it.
set -eu
file=$(ls /sources/cyrus-sasl2_*.orig.tar.?z)
version=${file#*_}
rpmbuild --quiet -bb --load=/el/macros --define "_smp_mflags -j$(nproc)" --define "upstream ${version%%[!0-9.]*}" \
    --define "tarball $file" --define "carried /el/cyrus-sasl" /el/cyrus-sasl.spec
rpm -i --nodeps /root/rpmbuild/RPMS/*/cyrus-sasl-lib-*.rpm /root/rpmbuild/RPMS/*/cyrus-sasl-devel-*.rpm
rm -rf /root/rpmbuild/BUILD /root/rpmbuild/BUILDROOT
