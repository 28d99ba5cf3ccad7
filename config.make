# The engine is built by its own Makefile; per-file instruction sets live
# there.

cat << END                                                    >> $NGX_MAKEFILE

$maas_build/libmaas.a:
	\$(MAKE) -C $ngx_addon_dir/engine BUILD=$maas_build \\
		$maas_build/libmaas.a

END
