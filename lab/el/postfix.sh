# Postfix of one kind.
set -eu
file=$(ls /sources/postfix_*.orig.tar.gz)
version=${file#*_}
rpmbuild --quiet -bb --load=/el/macros --define "_smp_mflags -j$(nproc)" --define "upstream ${version%.orig*}" \
    --define "kind $KIND" --define "tarball $file" --define "carried /el/postfix" /el/postfix.spec
rm -rf /root/rpmbuild/BUILD /root/rpmbuild/BUILDROOT
